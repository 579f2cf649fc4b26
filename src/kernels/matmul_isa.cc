// The matrix kernels, compiled once per instruction set.
//
// The float sequence of one output, the same for any number of tokens, rows or sets. f starts at
// the bias (or 0); for each block of 32 columns, ascending, with dot = sum of q * a, exact:
//
//   one scale      f = fma(float(dot - offset * sum(a)), d * da, f)
//     minimum      f = fma(m, da * sum(a), f)            d, m: exact products with their sub-scales
//   two halves     i = sub0 * (dot0 - offset * sum0) + sub1 * (dot1 - offset * sum1)     exact
//                  f = fma(float(i), d * da, f)
//     minimum      j = min0 * sum0 + min1 * sum1         exact
//                  f = fma(float(j), -dmin * da, f)
//
// and for float weights f = fma(w, x, f), columns ascending. Last, where asked, out + f.
#include "kernels/matmul_table.h"
#include "kernels/matmul_weights.h"

namespace quire::QUIRE_ISA_NAMESPACE {
namespace {

// Where a tile reads its activations: some neighbouring tokens of one panel.
struct Tokens {
  const uint8_t* record;  // row 0 of the first record, at the first token
  size_t row_bytes;       // 4 * panel width

  QUIRE_INLINE const uint8_t* at(uint32_t row, uint32_t token) const {
    return record + row * row_bytes + 4 * token;
  }
  QUIRE_INLINE float number(uint32_t row, uint32_t token) const {
    return *reinterpret_cast<const float*>(at(row, token));
  }
  QUIRE_INLINE I32x16 integer(uint32_t row, uint32_t token) const {
    return LanesOf(SplatBytes4(at(row, token)));
  }
};

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
  Unroll<begin, end>([&](auto step) __attribute__((always_inline)) {
    constexpr int j = decltype(step)::value;
    const U8x64 w = W::template Step<j>(planes);
    for (int t = 0; t < T; ++t) acc[t] = DotU8S8(acc[t], w, SplatBytes4(x.at(j, t)));
  });
}

template <typename W, int T>
QUIRE_INLINE void AddBlock(const uint8_t* planes, const Scales& s, const Tokens& x,
                           F32x16 (&f)[T]) {
  I32x16 acc[T];
  Start<W>(x, 8, acc);
  Dots<W, 0, 8>(planes, x, acc);
  for (int t = 0; t < T; ++t) {
    f[t] = Fma(ToF32(acc[t]), s.d * SplatF32(x.number(11, t)), f[t]);
    if constexpr (W::kMinimum) f[t] = Fma(s.m, SplatF32(x.number(12, t)), f[t]);
  }
}

template <typename W, int T>
QUIRE_INLINE void AddBlockOfHalves(const uint8_t* planes, const Scales& s, const Tokens& x,
                                   F32x16 (&f)[T]) {
  I32x16 first[T];
  I32x16 second[T];
  Start<W>(x, 9, first);
  Dots<W, 0, 4>(planes, x, first);
  Start<W>(x, 10, second);
  Dots<W, 4, 8>(planes, x, second);
  for (int t = 0; t < T; ++t) {
    const F32x16 da = SplatF32(x.number(11, t));
    const I32x16 sum = Mul(s.sub[0], first[t]) + Mul(s.sub[1], second[t]);
    f[t] = Fma(ToF32(sum), s.d * da, f[t]);
    if constexpr (W::kMinimum) {
      const I32x16 minus = Mul(s.min[0], x.integer(9, t)) + Mul(s.min[1], x.integer(10, t));
      f[t] = Fma(ToF32(SplatI32(0) - minus), s.m * da, f[t]);
    }
  }
}

// Sixteen rows of `blocks` blocks times T tokens.
template <typename W, int T>
void QuantTile(const uint8_t* group, uint32_t blocks, Tokens x, F32x16 (&f)[T]) {
  constexpr PackedLayout kLayout = LayoutOf(W::kType);
  for (uint32_t block = 0; block < blocks; block += kLayout.unit_blocks) {
    const uint8_t* header = group;
    group += kLayout.header_bytes;
    for (uint32_t i = 0; i < kLayout.unit_blocks && block + i < blocks; ++i) {
      const Scales s = W::ScalesOf(header, i);
      if constexpr (W::kHalves) {
        AddBlockOfHalves<W>(group, s, x, f);
      } else {
        AddBlock<W>(group, s, x, f);
      }
      group += kLayout.plane_bytes;
      x.record += kRecordRows * x.row_bytes;
    }
  }
}

struct FloatF32 {
  static constexpr TensorType kType = TensorType::kF32;
  static QUIRE_INLINE F32x16 Load(const uint8_t* p) {
    return LoadF32(reinterpret_cast<const float*>(p));
  }
};
struct FloatF16 {
  static constexpr TensorType kType = TensorType::kF16;
  static QUIRE_INLINE F32x16 Load(const uint8_t* p) { return LoadF16(Halves(p)); }
};
struct FloatBF16 {
  static constexpr TensorType kType = TensorType::kBF16;
  static QUIRE_INLINE F32x16 Load(const uint8_t* p) { return LoadBF16(Halves(p)); }
};

template <typename W, int T>
void FloatTile(const uint8_t* group, uint32_t columns, Tokens x, F32x16 (&f)[T]) {
  constexpr uint32_t kBytes = 16 * LayoutOf(W::kType).float_bytes;
  for (uint32_t k = 0; k < columns; ++k) {
    const F32x16 w = W::Load(group + size_t{k} * kBytes);
    for (int t = 0; t < T; ++t) f[t] = Fma(w, SplatF32(x.number(0, t)), f[t]);
    x.record += x.row_bytes;
  }
}

// One group of rows times T tokens of a panel, into `out` (row 0 of the group, token 0 of the T).
template <typename W, bool is_float, int T>
void Tile(const MatMulJob& job, uint32_t group, const Tokens& x, float* out) {
  const uint8_t* data = job.groups + group * GroupBytes(W::kType, job.columns);
  const uint32_t row = group * 16;
  const uint32_t rows = job.rows - row < 16 ? job.rows - row : 16;
  F32x16 f[T];
  for (int t = 0; t < T; ++t) {
    f[t] = job.bias != nullptr ? LoadF32Partial(job.bias + row, rows) : ZeroF32();
  }
  if constexpr (is_float) {
    FloatTile<W>(data, job.columns, x, f);
  } else {
    QuantTile<W>(data, job.columns / 32, x, f);
  }
  for (int t = 0; t < T; ++t) {
    float* to = out + t * job.stride + row;
    if (job.accumulate) f[t] = LoadF32Partial(to, rows) + f[t];
    StoreF32Partial(to, f[t], rows);
  }
}

template <typename W, bool is_float>
void Multiply(const MatMulJob& job) {
  const uint32_t groups = (job.rows + 15) / 16;
  for (uint32_t group = 0; group < groups; ++group) {
    for (uint32_t panel = 0; panel < PanelCount(job.tokens); ++panel) {
      const uint32_t begin = PanelBegin(job.tokens, panel);
      const uint32_t width = PanelBegin(job.tokens, panel + 1) - begin;
      const uint8_t* data =
          is_float ? reinterpret_cast<const uint8_t*>(job.f32 + size_t{begin} * job.columns)
                   : job.int8 + size_t{begin} * (job.columns / 32) * kRecordRows * 4;
      for (uint32_t t = 0; t < width; t += 4) {
        const Tokens x = {data + 4 * t, size_t{4} * width};
        float* out = job.out + (begin + t) * job.stride;
        switch (width - t) {
          case 1:
            Tile<W, is_float, 1>(job, group, x, out);
            break;
          case 2:
            Tile<W, is_float, 2>(job, group, x, out);
            break;
          case 3:
            Tile<W, is_float, 3>(job, group, x, out);
            break;
          default:
            Tile<W, is_float, 4>(job, group, x, out);
        }
      }
    }
  }
}

void MultiplyAny(const MatMulJob& job) {
  switch (job.type) {
    case TensorType::kF32:
      return Multiply<FloatF32, true>(job);
    case TensorType::kF16:
      return Multiply<FloatF16, true>(job);
    case TensorType::kBF16:
      return Multiply<FloatBF16, true>(job);
    case TensorType::kQ4_0:
      return Multiply<WeightQ4_0, false>(job);
    case TensorType::kQ4_1:
      return Multiply<WeightQ4_1, false>(job);
    case TensorType::kQ5_0:
      return Multiply<WeightQ5_0, false>(job);
    case TensorType::kQ5_1:
      return Multiply<WeightQ5_1, false>(job);
    case TensorType::kQ8_0:
      return Multiply<WeightQ8_0, false>(job);
    case TensorType::kQ2_K:
      return Multiply<WeightQ2_K, false>(job);
    case TensorType::kQ3_K:
      return Multiply<WeightQ3_K, false>(job);
    case TensorType::kQ4_K:
      return Multiply<WeightQ4_K, false>(job);
    case TensorType::kQ5_K:
      return Multiply<WeightQ5_K, false>(job);
    case TensorType::kQ6_K:
      return Multiply<WeightQ6_K, false>(job);
    case TensorType::kIQ4_NL:
      return Multiply<WeightIQ4_NL, false>(job);
    case TensorType::kIQ4_XS:
      return Multiply<WeightIQ4_XS, false>(job);
  }
}

// Per block: amax = max |x|; below 1e-30 all is zero; else da = amax / 127 and
// q = round_half_even(x * (127 / amax)).
void Quantize(const float* x, uint32_t blocks, uint32_t width, uint8_t* first) {
  const size_t row_bytes = size_t{4} * width;
  for (uint32_t b = 0; b < blocks; ++b, x += 32, first += kRecordRows * row_bytes) {
    const F32x16 low = LoadF32(x);
    const F32x16 high = LoadF32(x + 16);
    const float amax = ReduceMax(Max(Abs(low), Abs(high)));
    const bool tiny = !(amax >= 1e-30f);
    const float da = tiny ? 0.0f : amax / 127.0f;
    const F32x16 inverse = SplatF32(tiny ? 0.0f : 127.0f / amax);
    int8_t q[32];
    StoreI8(q, ToI32(low * inverse));
    StoreI8(q + 16, ToI32(high * inverse));
    int32_t sums[2] = {0, 0};
    for (int i = 0; i < 32; ++i) sums[i / 16] += q[i];
    for (uint32_t j = 0; j < 8; ++j) __builtin_memcpy(first + j * row_bytes, q + 4 * j, 4);
    const int32_t minus[3] = {-sums[0] - sums[1], -sums[0], -sums[1]};
    const float scales[2] = {da, da * static_cast<float>(sums[0] + sums[1])};
    for (uint32_t j = 0; j < 3; ++j) {
      __builtin_memcpy(first + (8 + j) * row_bytes, &minus[j], 4);
    }
    __builtin_memcpy(first + 11 * row_bytes, &scales[0], 4);
    __builtin_memcpy(first + 12 * row_bytes, &scales[1], 4);
  }
}

}  // namespace

const MatMulTable kMatMulTable = {.quantize = Quantize, .multiply = MultiplyAny};

}  // namespace quire::QUIRE_ISA_NAMESPACE
