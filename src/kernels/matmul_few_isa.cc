// Few tokens (decode): unpacks the packed weights in registers, in the order they lie in memory.
//
//   for a pair of groups of rows
//     for each chunk of columns         all columns at once where there is one panel of tokens
//       for each panel of tokens        the first reads memory, the others the first-level cache
#include "kernels/matmul_kernels.h"
#include "kernels/matmul_steps.h"

namespace quire::QUIRE_ISA_NAMESPACE {
namespace {

// Groups of rows and tokens of a register tile: int32 and float accumulators of all of them, the
// unpacked weights and what unpacks them must fit the registers.
#if defined(QUIRE_ISA_avx512)
constexpr uint32_t kPairGroups = 2;
constexpr uint32_t kTileTokens = 6;
#elif defined(QUIRE_ISA_portable)
constexpr uint32_t kPairGroups = 1;
constexpr uint32_t kTileTokens = 1;
#else
constexpr uint32_t kPairGroups = 1;
constexpr uint32_t kTileTokens = 6;  // float accumulators in memory: they are used once a block
#endif

// How far ahead of its use memory is asked for: about latency times bandwidth of one core.
constexpr uint32_t kPrefetchBytes = 4096;

// Where a tile finds the blocks of its R groups.
template <uint32_t R>
struct BlockView {
  const uint8_t* headers[R];
  const uint8_t* planes[R];
  uint32_t in_unit;
};

// Dots of steps [begin, end) of a block.
template <typename W, int begin, int end, uint32_t R, int T>
QUIRE_INLINE void Dots(const BlockView<R>& view, const Tokens& x, uint32_t sum_row,
                       I32x16 (&dots)[R][T]) {
  using Sum = DotSum<QUIRE_DOT_BITS(W::kBits, !W::kMinimum), !W::kMinimum>;
  I32x16 sum[R][T];
  for (int t = 0; t < T; ++t) {
    const I32x16 start = Sum::Start(x.sums(sum_row, t), W::kOffsetShift);
    for (uint32_t r = 0; r < R; ++r) sum[r][t] = start;
  }
  Unroll<begin, end>([&](auto step) __attribute__((always_inline)) {
    constexpr int j = decltype(step)::value;
    typename Sum::Weights w[R];
    for (uint32_t r = 0; r < R; ++r) w[r] = Sum::Prepare(W::template Step<j>(view.planes[r]));
    for (int t = 0; t < T; ++t) {
      const U8x64 a = SplatBytes4(x.at(j, t));
      for (uint32_t r = 0; r < R; ++r) sum[r][t] = Sum::Add(sum[r][t], w[r], a);
    }
  });
  for (int t = 0; t < T; ++t) {
    const I32x16 start = Sum::Start(x.sums(sum_row, t), W::kOffsetShift);
    for (uint32_t r = 0; r < R; ++r) dots[r][t] = Sum::End(sum[r][t], start);
  }
}

template <typename W, uint32_t R, int T>
QUIRE_INLINE void AddBlock(const BlockView<R>& view, const Tokens& x, F32x16 (&f)[R][T]) {
  I32x16 first[R][T];
  I32x16 second[R][T];
  if constexpr (W::kHalves) {
    Dots<W, 0, 4>(view, x, 9, first);
    Dots<W, 4, 8>(view, x, 10, second);
  } else {
    Dots<W, 0, 8>(view, x, 8, first);
  }
  for (uint32_t r = 0; r < R; ++r) {
    const Scales s = W::ScalesOf(view.headers[r], view.in_unit);
    for (int t = 0; t < T; ++t) {
      if constexpr (W::kHalves) {
        f[r][t] = AddHalves<W::kMinimum>(first[r][t], second[r][t], s, x, t, f[r][t]);
      } else {
        f[r][t] = AddScaled<W::kMinimum>(first[r][t], s, x, t, f[r][t]);
      }
    }
  }
}

// Asks for `bytes` of every group, `kPrefetchBytes` from `at` on.
template <uint32_t bytes, uint32_t R>
QUIRE_INLINE void Prefetch(const uint8_t* const (&at)[R]) {
  for (uint32_t r = 0; r < R; ++r) {
    for (uint32_t line = 0; line < bytes; line += 64) {
      __builtin_prefetch(at[r] + kPrefetchBytes + line);
    }
  }
}

// Whole units of blocks of R groups, and what T tokens of a panel bring to their sums.
template <typename W, uint32_t R>
struct Strip {
  const uint8_t* units[R];  // of the first block
  uint32_t blocks;
  bool from_memory;  // not in cache yet: ask for what comes

  template <int T>
  QUIRE_INLINE void AddTo(Tokens x, F32x16 (&f)[R][T]) const {
    constexpr PackedLayout kLayout = LayoutOf(W::kType);
    BlockView<R> view;
    for (uint32_t r = 0; r < R; ++r) view.planes[r] = units[r];
    for (uint32_t block = 0; block < blocks; block += kLayout.unit_blocks) {
      if (from_memory) Prefetch<kLayout.header_bytes>(view.planes);
      for (uint32_t r = 0; r < R; ++r) {
        view.headers[r] = view.planes[r];
        view.planes[r] += kLayout.header_bytes;
      }
      for (uint32_t i = 0; i < kLayout.unit_blocks && block + i < blocks; ++i) {
        if (from_memory) Prefetch<kLayout.plane_bytes>(view.planes);
        view.in_unit = i;
        AddBlock<W>(view, x, f);
        for (uint32_t r = 0; r < R; ++r) view.planes[r] += kLayout.plane_bytes;
        x.record += kRecordRows * x.row_bytes;
      }
    }
  }
};

// The sums of a pair of groups.
struct Sums {
  alignas(64) float partial[kMaxFewTokens][kPairGroups][16];
};

template <typename W, uint32_t R, int T>
void Tile(const Strip<W, R>& strip, Tokens x, float (*partial)[kPairGroups][16], bool zero) {
  F32x16 f[R][T];
  for (uint32_t r = 0; r < R; ++r) {
    for (int t = 0; t < T; ++t) f[r][t] = zero ? ZeroF32() : LoadF32(partial[t][r]);
  }
  strip.AddTo(x, f);
  for (uint32_t r = 0; r < R; ++r) {
    for (int t = 0; t < T; ++t) StoreF32(partial[t][r], f[r][t]);
  }
}

// Blocks of a row from `begin` on times all tokens.
template <typename W, uint32_t R>
void AddColumns(const MatMulJob& job, uint32_t begin, Strip<W, R> strip, Sums& sums) {
  const RecordPlace place = {job.tokens, job.columns / 32};
  for (uint32_t p = 0; p < PanelCount(job.tokens); ++p) {
    const uint32_t first = PanelBegin(job.tokens, p);
    const uint32_t width = PanelBegin(job.tokens, p + 1) - first;
    Tokens x = {job.int8 + 4 * place.At(first, width, begin), size_t{4} * width};
    for (uint32_t t = 0; t < width; t += kTileTokens, x.record += 4 * kTileTokens) {
      strip.from_memory = p == 0 && t == 0;
      WithTokens<kTileTokens>(width - t, [&](auto tokens) {
        Tile<W, R, decltype(tokens)::value>(strip, x, sums.partial + first + t, begin == 0);
      });
    }
  }
}

// R groups of rows times all tokens.
template <typename W, uint32_t R>
void MultiplyGroups(const MatMulJob& job, uint32_t group) {
  constexpr PackedLayout kLayout = LayoutOf(W::kType);
  constexpr size_t kUnit = kLayout.header_bytes + size_t{kLayout.unit_blocks} * kLayout.plane_bytes;
  const uint32_t blocks = job.columns / 32;
  const uint32_t step = job.tokens <= kTileTokens ? blocks : ChunkBlocks(blocks);
  Sums sums;
  for (uint32_t begin = 0; begin < blocks; begin += step) {
    Strip<W, R> strip = {};
    strip.blocks = blocks - begin < step ? blocks - begin : step;
    for (uint32_t r = 0; r < R; ++r) {
      strip.units[r] = job.groups + (group + r) * GroupBytes(W::kType, job.columns) +
                       begin / kLayout.unit_blocks * kUnit;
    }
    AddColumns<W>(job, begin, strip, sums);
  }
  for (uint32_t t = 0; t < job.tokens; ++t) {
    for (uint32_t r = 0; r < R; ++r) {
      const uint32_t row = (group + r) * 16;
      StoreSums(job, row, LoadF32(sums.partial[t][r]), job.out + t * job.stride + row);
    }
  }
}

template <typename W>
void MultiplyAs(const MatMulJob& job) {
  const uint32_t groups = (job.rows + 15) / 16;
  uint32_t group = 0;
  // The fewest tokens are bound by memory, which one stream of reads serves best.
  if (kPairGroups == 2 && job.tokens > 4) {
    for (; group + 2 <= groups; group += 2) MultiplyGroups<W, kPairGroups>(job, group);
  }
  for (; group < groups; ++group) MultiplyGroups<W, 1>(job, group);
}

}  // namespace

void MultiplyFew(const MatMulJob& job) {
  WithWeight(job.type, [&](auto weight) { MultiplyAs<decltype(weight)>(job); });
}

}  // namespace quire::QUIRE_ISA_NAMESPACE
