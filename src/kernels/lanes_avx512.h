// kernels/lanes_avx512.h -- the sixteen lanes of lanes.h as one AVX-512 register.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace quire::QUIRE_ISA_NAMESPACE {

struct F32x16 {
  __m512 v;
};
struct I32x16 {
  __m512i v;
};
struct U8x64 {
  __m512i v;
};
struct Mask16 {
  __mmask16 m;
};

QUIRE_INLINE Mask16 FirstLanes(uint32_t n) {
  return {static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1u)};
}
QUIRE_INLINE Mask16 And(Mask16 a, Mask16 b) { return {static_cast<__mmask16>(a.m & b.m)}; }
QUIRE_INLINE Mask16 Or(Mask16 a, Mask16 b) { return {static_cast<__mmask16>(a.m | b.m)}; }
QUIRE_INLINE Mask16 Not(Mask16 a) { return {static_cast<__mmask16>(~a.m)}; }
QUIRE_INLINE bool Any(Mask16 a) { return a.m != 0; }

QUIRE_INLINE F32x16 ZeroF32() { return {_mm512_setzero_ps()}; }
QUIRE_INLINE F32x16 SplatF32(float x) { return {_mm512_set1_ps(x)}; }
QUIRE_INLINE F32x16 LoadF32(const float* p) { return {_mm512_loadu_ps(p)}; }
QUIRE_INLINE void StoreF32(float* p, F32x16 x) { _mm512_storeu_ps(p, x.v); }
QUIRE_INLINE F32x16 LoadF32Partial(const float* p, uint32_t n) {
  return {_mm512_maskz_loadu_ps(FirstLanes(n).m, p)};
}
QUIRE_INLINE void StoreF32Partial(float* p, F32x16 x, uint32_t n) {
  _mm512_mask_storeu_ps(p, FirstLanes(n).m, x.v);
}
QUIRE_INLINE F32x16 LoadF16(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
QUIRE_INLINE F32x16 LoadF16Partial(const uint16_t* p, uint32_t n) {
  return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(FirstLanes(n).m, p))};
}
QUIRE_INLINE void StoreF16(uint16_t* p, F32x16 x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
QUIRE_INLINE F32x16 LoadBF16(const uint16_t* p) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
}

QUIRE_INLINE F32x16 operator+(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
QUIRE_INLINE F32x16 operator-(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
QUIRE_INLINE F32x16 operator*(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
QUIRE_INLINE F32x16 operator/(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
QUIRE_INLINE F32x16 Fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
QUIRE_INLINE F32x16 Sqrt(F32x16 a) { return {_mm512_sqrt_ps(a.v)}; }
QUIRE_INLINE F32x16 Min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
QUIRE_INLINE F32x16 Max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
QUIRE_INLINE F32x16 Neg(F32x16 a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
QUIRE_INLINE F32x16 Abs(F32x16 a) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.v)}; }
QUIRE_INLINE F32x16 Round(F32x16 a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
QUIRE_INLINE Mask16 Less(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
QUIRE_INLINE Mask16 LessEqual(F32x16 a, F32x16 b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)};
}
QUIRE_INLINE Mask16 Equal(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
QUIRE_INLINE F32x16 Select(Mask16 m, F32x16 yes, F32x16 no) {
  return {_mm512_mask_blend_ps(m.m, no.v, yes.v)};
}

QUIRE_INLINE I32x16 SplatI32(int32_t x) { return {_mm512_set1_epi32(x)}; }
QUIRE_INLINE I32x16 Iota() {
  return {_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)};
}
QUIRE_INLINE I32x16 LoadI32(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
QUIRE_INLINE void StoreI32(int32_t* p, I32x16 x) { _mm512_storeu_si512(p, x.v); }
QUIRE_INLINE I32x16 LoadU8(const uint8_t* p) {
  return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
QUIRE_INLINE I32x16 LoadI8(const int8_t* p) {
  return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
QUIRE_INLINE void StoreI8(int8_t* p, I32x16 x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x.v));
}
QUIRE_INLINE I32x16 operator+(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
QUIRE_INLINE I32x16 operator-(I32x16 a, I32x16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
QUIRE_INLINE I32x16 Mul(I32x16 a, I32x16 b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
QUIRE_INLINE I32x16 And(I32x16 a, I32x16 b) { return {_mm512_and_si512(a.v, b.v)}; }
QUIRE_INLINE I32x16 Or(I32x16 a, I32x16 b) { return {_mm512_or_si512(a.v, b.v)}; }
QUIRE_INLINE I32x16 Xor(I32x16 a, I32x16 b) { return {_mm512_xor_si512(a.v, b.v)}; }
template <int n>
QUIRE_INLINE I32x16 ShiftLeft(I32x16 a) {
  return {_mm512_slli_epi32(a.v, n)};
}
template <int n>
QUIRE_INLINE I32x16 ShiftRight(I32x16 a) {
  return {_mm512_srli_epi32(a.v, n)};
}
template <int n>
QUIRE_INLINE I32x16 ShiftRightSigned(I32x16 a) {
  return {_mm512_srai_epi32(a.v, n)};
}
QUIRE_INLINE I32x16 ShiftLeftBy(I32x16 a, int n) {
  return {_mm512_sll_epi32(a.v, _mm_cvtsi32_si128(n))};
}
QUIRE_INLINE I32x16 Min(I32x16 a, I32x16 b) { return {_mm512_min_epi32(a.v, b.v)}; }
QUIRE_INLINE I32x16 Max(I32x16 a, I32x16 b) { return {_mm512_max_epi32(a.v, b.v)}; }
QUIRE_INLINE Mask16 Less(I32x16 a, I32x16 b) { return {_mm512_cmplt_epi32_mask(a.v, b.v)}; }
QUIRE_INLINE Mask16 Equal(I32x16 a, I32x16 b) { return {_mm512_cmpeq_epi32_mask(a.v, b.v)}; }
QUIRE_INLINE I32x16 Select(Mask16 m, I32x16 yes, I32x16 no) {
  return {_mm512_mask_blend_epi32(m.m, no.v, yes.v)};
}

QUIRE_INLINE I32x16 ToI32(F32x16 a) { return {_mm512_cvtps_epi32(a.v)}; }
QUIRE_INLINE F32x16 ToF32(I32x16 a) { return {_mm512_cvtepi32_ps(a.v)}; }
QUIRE_INLINE I32x16 BitsOf(F32x16 a) { return {_mm512_castps_si512(a.v)}; }
QUIRE_INLINE F32x16 FromBits(I32x16 a) { return {_mm512_castsi512_ps(a.v)}; }

QUIRE_INLINE float ReduceAdd(F32x16 a) {
  const __m256 x = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_add_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_add_ss(z, _mm_shuffle_ps(z, z, 1)));
}
QUIRE_INLINE float ReduceMax(F32x16 a) {
  const __m256 x = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_max_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_max_ss(z, _mm_shuffle_ps(z, z, 1)));
}

QUIRE_INLINE U8x64 LoadBytes(const void* p) { return {_mm512_loadu_si512(p)}; }
QUIRE_INLINE void StoreBytes(void* p, U8x64 x) { _mm512_storeu_si512(p, x.v); }
QUIRE_INLINE U8x64 SplatBytes4(const void* p) {
  int32_t bytes;
  __builtin_memcpy(&bytes, p, 4);
  return {_mm512_set1_epi32(bytes)};
}
QUIRE_INLINE U8x64 SplatByte(uint8_t x) { return {_mm512_set1_epi8(static_cast<char>(x))}; }
QUIRE_INLINE U8x64 And(U8x64 a, U8x64 b) { return {_mm512_and_si512(a.v, b.v)}; }
QUIRE_INLINE U8x64 Or(U8x64 a, U8x64 b) { return {_mm512_or_si512(a.v, b.v)}; }
QUIRE_INLINE U8x64 Xor(U8x64 a, U8x64 b) { return {_mm512_xor_si512(a.v, b.v)}; }
QUIRE_INLINE U8x64 LowNibbles(U8x64 a) { return {_mm512_and_si512(a.v, _mm512_set1_epi8(15))}; }
QUIRE_INLINE U8x64 HighNibbles(U8x64 a) {
  return {_mm512_and_si512(_mm512_srli_epi16(a.v, 4), _mm512_set1_epi8(15))};
}
// `table`: 16 bytes, repeated in every 16 of the 64.
QUIRE_INLINE U8x64 Lookup16(U8x64 table, U8x64 nibbles) {
  return {_mm512_shuffle_epi8(table.v, nibbles.v)};
}
QUIRE_INLINE U8x64 SplatTable16(const uint8_t* p) {
  return {_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
QUIRE_INLINE I32x16 LanesOf(U8x64 a) { return {a.v}; }
QUIRE_INLINE U8x64 BytesOf(I32x16 a) { return {a.v}; }

QUIRE_INLINE I32x16 DotU8S8(I32x16 acc, U8x64 u, U8x64 s) {
  return {_mm512_dpbusd_epi32(acc.v, u.v, s.v)};
}

QUIRE_INLINE U8x64 EvenBytes(U8x64 x) { return {_mm512_srai_epi16(_mm512_slli_epi16(x.v, 8), 8)}; }
QUIRE_INLINE U8x64 OddBytes(U8x64 x) { return {_mm512_srai_epi16(x.v, 8)}; }
QUIRE_INLINE I32x16 DotS16(I32x16 acc, U8x64 a, U8x64 b) {
  return {_mm512_dpwssd_epi32(acc.v, a.v, b.v)};
}

}  // namespace quire::QUIRE_ISA_NAMESPACE
