// kernels/dot_sum_avx2.h -- sums of byte products where there is no instruction for them.
//
// Sums of activations (lanes.h) are two int16 a lane: of columns 0 and 1 and of columns 2 and 3 of
// every step.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/lanes_avx2.h"

namespace quire::QUIRE_ISA_NAMESPACE {

// A product of vpmaddubsw and a running sum have 16 bits, two sums a lane. They wrap, so that only
// the value at the end has to fit: of eight steps of weights below 16 or of 5 bits centred on zero
// by their offset, or of four steps of 6 bits, it is at most 16 * 16 * 127 = 32512. GCC would add
// all products up as a tree and keep none of it in registers; what it cannot see into it leaves in
// order.
template <int bits, bool offset>
struct DotSum {
  static_assert(bits <= 4 || (bits <= 6 && offset));
  using Weights = U8x64;
  static QUIRE_INLINE Weights Prepare(U8x64 u) { return u; }
  static QUIRE_INLINE I32x16 Start(I32x16 sums, int shift) {
    if constexpr (!offset) return SplatI32(0);
    return {_mm256_slli_epi16(sums.a, shift), _mm256_slli_epi16(sums.b, shift)};
  }
  static QUIRE_INLINE I32x16 Add(I32x16 sum, Weights u, U8x64 s) {
    sum.a = _mm256_add_epi16(sum.a, _mm256_maddubs_epi16(u.a, s.a));
    sum.b = _mm256_add_epi16(sum.b, _mm256_maddubs_epi16(u.b, s.b));
    asm("" : "+x"(sum.a), "+x"(sum.b));
    return sum;
  }
  static QUIRE_INLINE I32x16 End(I32x16 sum, I32x16) {
    const __m256i ones = _mm256_set1_epi16(1);
    return {_mm256_madd_epi16(sum.a, ones), _mm256_madd_epi16(sum.b, ones)};
  }
};

// 5 bits without an offset: centred while they are summed.
template <>
struct DotSum<5, false> : DotSum<5, true> {
  static QUIRE_INLINE I32x16 Start(I32x16 sums, int) {
    return {_mm256_slli_epi16(sums.a, 4), _mm256_slli_epi16(sums.b, 4)};
  }
  static QUIRE_INLINE I32x16 End(I32x16 sum, I32x16 start) {
    return DotSum<5, true>::End(sum, start) - DotSum<5, true>::End(start, start);
  }
};

// 8 bits, offset 128, as signed weights: magnitudes times our signed bytes with the weights' signs
// give pairs of at most 2 * 128 * 127, which have to be widened at once.
template <>
struct DotSum<8, true> {
  struct Weights {
    U8x64 value, magnitude;
  };
  static QUIRE_INLINE Weights Prepare(U8x64 u) {
    const U8x64 w = Xor(u, SplatByte(128));
    return {w, {_mm256_abs_epi8(w.a), _mm256_abs_epi8(w.b)}};
  }
  static QUIRE_INLINE void AddHalf(__m256i& sum, __m256i w, __m256i magnitude, __m256i s) {
    const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(s, w));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    asm("" : "+x"(sum));
  }
  static QUIRE_INLINE I32x16 Start(I32x16, int) { return SplatI32(0); }
  static QUIRE_INLINE I32x16 Add(I32x16 sum, const Weights& w, U8x64 s) {
    AddHalf(sum.a, w.value.a, w.magnitude.a, s.a);
    AddHalf(sum.b, w.value.b, w.magnitude.b, s.b);
    return sum;
  }
  static QUIRE_INLINE I32x16 End(I32x16 sum, I32x16) { return sum; }
};

// Minus the sum of each 16 of 64 signed bytes.
QUIRE_INLINE void MinusSums(const int8_t* bytes, int32_t* sums) {
  const __m256i ones = _mm256_set1_epi8(1);
  for (int i = 0; i < 2; ++i) {
    __m256i sum = _mm256_maddubs_epi16(ones, Load256(bytes + 32 * i));
    sum = _mm256_add_epi16(sum, _mm256_shuffle_epi32(sum, 0xb1));
    sum = _mm256_add_epi16(sum, _mm256_shuffle_epi32(sum, 0x4e));
    sum = _mm256_sub_epi16(_mm256_setzero_si256(), sum);
    sums[2 * i] = _mm256_extract_epi32(sum, 0);
    sums[2 * i + 1] = _mm256_extract_epi32(sum, 4);
  }
}
QUIRE_INLINE int32_t AddSums(int32_t x, int32_t y) {
  const auto a = static_cast<uint32_t>(x);
  const auto b = static_cast<uint32_t>(y);
  return static_cast<int32_t>(((a & 0xffff0000u) + (b & 0xffff0000u)) | ((a + b) & 0xffffu));
}
QUIRE_INLINE int32_t IntegerOf(int32_t sums) { return (sums >> 16) + static_cast<int16_t>(sums); }
QUIRE_INLINE I32x16 IntegersOf(I32x16 sums) { return DotSum<4, true>::End(sums, sums); }

}  // namespace quire::QUIRE_ISA_NAMESPACE
