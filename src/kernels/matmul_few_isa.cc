// Few tokens (decode): reads the packed weights once, in the order they lie in memory.
#include "kernels/matmul_kernels.h"
#include "kernels/matmul_steps.h"

namespace quire::QUIRE_ISA_NAMESPACE {
namespace {

// Accumulators start at minus offset times the sum of the activations.
template <typename W, int T>
QUIRE_INLINE void Start(const Tokens& x, uint32_t sum_row, I32x16 (&acc)[T]) {
  for (int t = 0; t < T; ++t) {
    if constexpr (W::kOffsetShift < 0) {
      acc[t] = SplatI32(0);
    } else {
      acc[t] = ShiftLeft<W::kOffsetShift>(x.integer(sum_row, t));
    }
  }
}

// Adds the dots of steps [begin, end) of a block.
template <typename W, int begin, int end, int T>
QUIRE_INLINE void Dots(const uint8_t* planes, const Tokens& x, I32x16 (&acc)[T]) {
  using Sum = DotSum<QUIRE_DOT_BITS(W::kBits)>;
  I32x16 sum[T];
  for (int t = 0; t < T; ++t) sum[t] = Sum::Begin(acc[t]);
  Unroll<begin, end>([&](auto step) __attribute__((always_inline)) {
    constexpr int j = decltype(step)::value;
    const U8x64 w = W::template Step<j>(planes);
    for (int t = 0; t < T; ++t) sum[t] = Sum::Add(sum[t], w, SplatBytes4(x.at(j, t)));
  });
  for (int t = 0; t < T; ++t) acc[t] = Sum::End(sum[t], acc[t]);
}

template <typename W, int T>
QUIRE_INLINE void AddBlock(const uint8_t* planes, const Scales& s, const Tokens& x,
                           F32x16 (&f)[T]) {
  I32x16 first[T];
  if constexpr (W::kHalves) {
    I32x16 second[T];
    Start<W>(x, 9, first);
    Dots<W, 0, 4>(planes, x, first);
    Start<W>(x, 10, second);
    Dots<W, 4, 8>(planes, x, second);
    for (int t = 0; t < T; ++t) {
      f[t] = AddHalves<W::kMinimum>(first[t], second[t], s, x, t, f[t]);
    }
  } else {
    Start<W>(x, 8, first);
    Dots<W, 0, 8>(planes, x, first);
    for (int t = 0; t < T; ++t) f[t] = AddScaled<W::kMinimum>(first[t], s, x, t, f[t]);
  }
}

// Tokens that share a pass over the weights: their accumulators must fit the registers.
#if defined(QUIRE_ISA_portable)
constexpr uint32_t kTileTokens = 1;
#else
constexpr uint32_t kTileTokens = 4;
#endif

// How far ahead of its use memory is asked for: about latency times bandwidth of one core.
constexpr uint32_t kPrefetchBytes = 2048;

// Sixteen rows of `blocks` blocks times T tokens.
template <typename W, int T>
QUIRE_INLINE void AddBlocks(const uint8_t* group, uint32_t blocks, Tokens x, F32x16 (&f)[T]) {
  constexpr PackedLayout kLayout = LayoutOf(W::kType);
  for (uint32_t block = 0; block < blocks; block += kLayout.unit_blocks) {
    const uint8_t* header = group;
    for (uint32_t line = 0; line < kLayout.header_bytes; line += 64) {
      __builtin_prefetch(header + kPrefetchBytes + line);
    }
    group += kLayout.header_bytes;
    for (uint32_t i = 0; i < kLayout.unit_blocks && block + i < blocks; ++i) {
      for (uint32_t line = 0; line < kLayout.plane_bytes; line += 64) {
        __builtin_prefetch(group + kPrefetchBytes + line);
      }
      AddBlock<W>(group, W::ScalesOf(header, i), x, f);
      group += kLayout.plane_bytes;
      x.record += kRecordRows * x.row_bytes;
    }
  }
}

// One group of rows times T tokens of the only panel, from `token` on.
template <typename W, int T>
void Tile(const MatMulJob& job, uint32_t group, uint32_t token) {
  const uint8_t* data = job.groups + group * GroupBytes(W::kType, job.columns);
  const uint32_t row = group * 16;
  F32x16 f[T];
  for (int t = 0; t < T; ++t) f[t] = ZeroF32();
  AddBlocks<W>(data, job.columns / 32, {job.int8 + 4 * token, size_t{4} * job.tokens}, f);
  for (int t = 0; t < T; ++t) StoreSums(job, row, f[t], job.out + (token + t) * job.stride + row);
}

template <typename W>
void MultiplyAs(const MatMulJob& job) {
  for (uint32_t group = 0; group * 16 < job.rows; ++group) {
    for (uint32_t token = 0; token < job.tokens; token += kTileTokens) {
      WithTokens<kTileTokens>(job.tokens - token, [&](auto tokens) {
        Tile<W, decltype(tokens)::value>(job, group, token);
      });
    }
  }
}

}  // namespace

void MultiplyFew(const MatMulJob& job) {
  WithWeight(job.type, [&](auto weight) { MultiplyAs<decltype(weight)>(job); });
}

}  // namespace quire::QUIRE_ISA_NAMESPACE
