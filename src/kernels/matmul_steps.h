// kernels/matmul_steps.h -- the arithmetic of one block of 32 columns, for every kernel alike.
//
// The float sequence of one output, the same for any number of tokens, rows or sets. f starts at 0;
// for each block, ascending, with dot = sum of q * a, exact:
//
//   one scale      f = fma(float(dot - offset * sum(a)), d * da, f)
//     minimum      f = fma(m, da * sum(a), f)            d, m: exact products with their sub-scales
//   two halves     i = sub0 * (dot0 - offset * sum0) + sub1 * (dot1 - offset * sum1)     exact
//                  f = fma(float(i), d * da, f)
//     minimum      j = min0 * sum0 + min1 * sum1         exact
//                  f = fma(-float(j), dmin * da, f)
//
// and for float weights f = fma(w, x, f), columns ascending. Last, where asked, f = f + bias, then
// f = out + f.
//
// i and j are taken in float: all terms are integers below 2^24 (32 * 16 * 127 * 128 for Q6_K, the
// largest), so every step is exact.
//
// For *_isa.cc files.
#pragma once

#include "kernels/matmul_table.h"
#include "kernels/matmul_weights.h"

namespace quire::QUIRE_ISA_NAMESPACE {

// Where a tile reads its activations: some neighbouring tokens of one panel.
struct Tokens {
  const uint8_t* record;  // row 0 of a record, at the first token
  size_t row_bytes;       // 4 * panel width

  QUIRE_INLINE const uint8_t* at(uint32_t row, uint32_t token) const {
    return record + row * row_bytes + 4 * token;
  }
  QUIRE_INLINE F32x16 number(uint32_t row, uint32_t token) const {
    return SplatF32(*reinterpret_cast<const float*>(at(row, token)));
  }
  QUIRE_INLINE I32x16 sums(uint32_t row, uint32_t token) const {
    return LanesOf(SplatBytes4(at(row, token)));
  }
};

// Stores the finished sums of up to 16 rows from `row` on: of one token, at `to`.
QUIRE_INLINE void StoreSums(const MatMulJob& job, uint32_t row, F32x16 f, float* to) {
  const uint32_t rows = job.rows - row < 16 ? job.rows - row : 16;
  if (rows == 16) {
    if (job.bias != nullptr) f = f + LoadF32(job.bias + row);
    return StoreF32(to, job.accumulate ? LoadF32(to) + f : f);
  }
  if (job.bias != nullptr) f = f + LoadF32Partial(job.bias + row, rows);
  if (job.accumulate) f = LoadF32Partial(to, rows) + f;
  StoreF32Partial(to, f, rows);
}

// Calls f(Index<n>{}) for n = min(left, max): a tile for as many tokens as there are.
template <uint32_t max, typename F>
QUIRE_INLINE void WithTokens(uint32_t left, const F& f) {
  if constexpr (max == 1) {
    f(Index<1>{});
  } else if (left >= max) {
    f(Index<max>{});
  } else {
    WithTokens<max - 1>(left, f);
  }
}

// a * b + c where both steps are exact.
QUIRE_INLINE F32x16 ExactMulAdd(F32x16 a, F32x16 b, F32x16 c) {
#if defined(QUIRE_ISA_portable)
  return a * b + c;
#else
  return Fma(a, b, c);
#endif
}

template <bool minimum>
QUIRE_INLINE F32x16 AddScaled(I32x16 dot, const Scales& s, const Tokens& x, uint32_t t, F32x16 f) {
  f = Fma(ToF32(dot), s.d * x.number(11, t), f);
  if constexpr (minimum) f = Fma(s.m, x.number(12, t), f);
  return f;
}

template <bool minimum>
QUIRE_INLINE F32x16 AddHalves(I32x16 first, I32x16 second, const Scales& s, const Tokens& x,
                              uint32_t t, F32x16 f) {
  const F32x16 da = x.number(11, t);
  const F32x16 i = ExactMulAdd(ToF32(second), s.sub[1], ToF32(first) * s.sub[0]);
  f = Fma(i, s.d * da, f);
  if constexpr (minimum) {
    const F32x16 minus_j = ExactMulAdd(ToF32(IntegersOf(x.sums(10, t))), s.min[1],
                                       ToF32(IntegersOf(x.sums(9, t))) * s.min[0]);
    f = Fma(minus_j, s.m * da, f);
  }
  return f;
}

}  // namespace quire::QUIRE_ISA_NAMESPACE
