// kernels/lanes_avx2.h -- the sixteen lanes of lanes.h as two AVX2 registers, low lanes first.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace quire::QUIRE_ISA_NAMESPACE {

struct F32x16 {
  __m256 a, b;
};
struct I32x16 {
  __m256i a, b;
};
struct U8x64 {
  __m256i a, b;
};
struct Mask16 {
  __m256i a, b;
};

QUIRE_INLINE __m256i CastI(__m256 x) { return _mm256_castps_si256(x); }
QUIRE_INLINE __m256 CastF(__m256i x) { return _mm256_castsi256_ps(x); }

// Applies one instruction to both halves.
#define QUIRE_AVX2_1(Type, Name, op) \
  QUIRE_INLINE Type Name(Type x) { return {op(x.a), op(x.b)}; }
#define QUIRE_AVX2_2(Type, Name, op) \
  QUIRE_INLINE Type Name(Type x, Type y) { return {op(x.a, y.a), op(x.b, y.b)}; }

QUIRE_AVX2_2(Mask16, And, _mm256_and_si256)
QUIRE_AVX2_2(Mask16, Or, _mm256_or_si256)
QUIRE_INLINE Mask16 Not(Mask16 x) {
  const __m256i ones = _mm256_set1_epi32(-1);
  return {_mm256_xor_si256(x.a, ones), _mm256_xor_si256(x.b, ones)};
}
QUIRE_INLINE bool Any(Mask16 x) { return _mm256_movemask_epi8(_mm256_or_si256(x.a, x.b)) != 0; }
QUIRE_INLINE Mask16 FirstLanes(uint32_t n) {
  const __m256i count = _mm256_set1_epi32(static_cast<int>(n));
  return {_mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
          _mm256_cmpgt_epi32(count, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15))};
}

QUIRE_INLINE F32x16 SplatF32(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
QUIRE_INLINE F32x16 ZeroF32() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
QUIRE_INLINE F32x16 LoadF32(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
QUIRE_INLINE void StoreF32(float* p, F32x16 x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
QUIRE_INLINE F32x16 LoadF32Partial(const float* p, uint32_t n) {
  const Mask16 m = FirstLanes(n);
  return {_mm256_maskload_ps(p, m.a), _mm256_maskload_ps(p + 8, m.b)};
}
QUIRE_INLINE void StoreF32Partial(float* p, F32x16 x, uint32_t n) {
  const Mask16 m = FirstLanes(n);
  _mm256_maskstore_ps(p, m.a, x.a);
  _mm256_maskstore_ps(p + 8, m.b, x.b);
}
QUIRE_INLINE __m128i Load128(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
QUIRE_INLINE F32x16 LoadF16(const uint16_t* p) {
  return {_mm256_cvtph_ps(Load128(p)), _mm256_cvtph_ps(Load128(p + 8))};
}
QUIRE_INLINE F32x16 LoadF16Partial(const uint16_t* p, uint32_t n) {
  uint16_t padded[16] = {};
  __builtin_memcpy(padded, p, n < 16 ? n * 2 : 32);
  return LoadF16(padded);
}
QUIRE_INLINE void StoreF16(uint16_t* p, F32x16 x) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x.a, kNearest));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(x.b, kNearest));
}
QUIRE_INLINE __m256 WidenBF16(__m128i x) {
  return CastF(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}
QUIRE_INLINE F32x16 LoadBF16(const uint16_t* p) {
  return {WidenBF16(Load128(p)), WidenBF16(Load128(p + 8))};
}

QUIRE_AVX2_2(F32x16, operator+, _mm256_add_ps)
QUIRE_AVX2_2(F32x16, operator-, _mm256_sub_ps)
QUIRE_AVX2_2(F32x16, operator*, _mm256_mul_ps)
QUIRE_AVX2_2(F32x16, operator/, _mm256_div_ps)
QUIRE_AVX2_2(F32x16, Min, _mm256_min_ps)
QUIRE_AVX2_2(F32x16, Max, _mm256_max_ps)
QUIRE_AVX2_1(F32x16, Sqrt, _mm256_sqrt_ps)
QUIRE_INLINE F32x16 Fma(F32x16 x, F32x16 y, F32x16 z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
QUIRE_INLINE F32x16 Neg(F32x16 x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_xor_ps(x.a, sign), _mm256_xor_ps(x.b, sign)};
}
QUIRE_INLINE F32x16 Abs(F32x16 x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
QUIRE_INLINE F32x16 Round(F32x16 x) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.a, kNearest), _mm256_round_ps(x.b, kNearest)};
}
QUIRE_INLINE Mask16 Less(F32x16 x, F32x16 y) {
  return {CastI(_mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ)), CastI(_mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ))};
}
QUIRE_INLINE Mask16 LessEqual(F32x16 x, F32x16 y) {
  return {CastI(_mm256_cmp_ps(x.a, y.a, _CMP_LE_OQ)), CastI(_mm256_cmp_ps(x.b, y.b, _CMP_LE_OQ))};
}
QUIRE_INLINE Mask16 Equal(F32x16 x, F32x16 y) {
  return {CastI(_mm256_cmp_ps(x.a, y.a, _CMP_EQ_OQ)), CastI(_mm256_cmp_ps(x.b, y.b, _CMP_EQ_OQ))};
}
QUIRE_INLINE F32x16 Select(Mask16 m, F32x16 yes, F32x16 no) {
  return {_mm256_blendv_ps(no.a, yes.a, CastF(m.a)), _mm256_blendv_ps(no.b, yes.b, CastF(m.b))};
}

QUIRE_INLINE I32x16 SplatI32(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
QUIRE_INLINE I32x16 Iota() {
  return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
          _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)};
}
QUIRE_INLINE __m256i Load256(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
QUIRE_INLINE I32x16 LoadI32(const int32_t* p) { return {Load256(p), Load256(p + 8)}; }
QUIRE_INLINE void StoreI32(int32_t* p, I32x16 x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), x.b);
}
QUIRE_INLINE __m128i Load64(const void* p) {
  return _mm_loadl_epi64(static_cast<const __m128i*>(p));
}
QUIRE_INLINE I32x16 LoadU8(const uint8_t* p) {
  return {_mm256_cvtepu8_epi32(Load64(p)), _mm256_cvtepu8_epi32(Load64(p + 8))};
}
QUIRE_INLINE I32x16 LoadI8(const int8_t* p) {
  return {_mm256_cvtepi8_epi32(Load64(p)), _mm256_cvtepi8_epi32(Load64(p + 8))};
}
QUIRE_INLINE void StoreI8(int8_t* p, I32x16 x) {
  const __m256i low = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                       0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i pick = _mm256_setr_epi32(0, 4, 1, 1, 1, 1, 1, 1);
  const __m256i a = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(x.a, low), pick);
  const __m256i b = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(x.b, low), pick);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(a));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p + 8), _mm256_castsi256_si128(b));
}
QUIRE_AVX2_2(I32x16, operator+, _mm256_add_epi32)
QUIRE_AVX2_2(I32x16, operator-, _mm256_sub_epi32)
QUIRE_AVX2_2(I32x16, Mul, _mm256_mullo_epi32)
QUIRE_AVX2_2(I32x16, And, _mm256_and_si256)
QUIRE_AVX2_2(I32x16, Or, _mm256_or_si256)
QUIRE_AVX2_2(I32x16, Xor, _mm256_xor_si256)
QUIRE_AVX2_2(I32x16, Min, _mm256_min_epi32)
QUIRE_AVX2_2(I32x16, Max, _mm256_max_epi32)
template <int n>
QUIRE_INLINE I32x16 ShiftLeft(I32x16 x) {
  return {_mm256_slli_epi32(x.a, n), _mm256_slli_epi32(x.b, n)};
}
template <int n>
QUIRE_INLINE I32x16 ShiftRight(I32x16 x) {
  return {_mm256_srli_epi32(x.a, n), _mm256_srli_epi32(x.b, n)};
}
template <int n>
QUIRE_INLINE I32x16 ShiftRightSigned(I32x16 x) {
  return {_mm256_srai_epi32(x.a, n), _mm256_srai_epi32(x.b, n)};
}
QUIRE_INLINE I32x16 ShiftLeftBy(I32x16 x, int n) {
  const __m128i count = _mm_cvtsi32_si128(n);
  return {_mm256_sll_epi32(x.a, count), _mm256_sll_epi32(x.b, count)};
}
QUIRE_INLINE Mask16 Less(I32x16 x, I32x16 y) {
  return {_mm256_cmpgt_epi32(y.a, x.a), _mm256_cmpgt_epi32(y.b, x.b)};
}
QUIRE_INLINE Mask16 Equal(I32x16 x, I32x16 y) {
  return {_mm256_cmpeq_epi32(x.a, y.a), _mm256_cmpeq_epi32(x.b, y.b)};
}
QUIRE_INLINE I32x16 Select(Mask16 m, I32x16 yes, I32x16 no) {
  return {_mm256_blendv_epi8(no.a, yes.a, m.a), _mm256_blendv_epi8(no.b, yes.b, m.b)};
}

QUIRE_INLINE I32x16 ToI32(F32x16 x) { return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }
QUIRE_INLINE F32x16 ToF32(I32x16 x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
QUIRE_INLINE I32x16 BitsOf(F32x16 x) { return {CastI(x.a), CastI(x.b)}; }
QUIRE_INLINE F32x16 FromBits(I32x16 x) { return {CastF(x.a), CastF(x.b)}; }

QUIRE_INLINE float ReduceAdd(F32x16 v) {
  const __m256 x = _mm256_add_ps(v.a, v.b);
  const __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_add_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_add_ss(z, _mm_shuffle_ps(z, z, 1)));
}
QUIRE_INLINE float ReduceMax(F32x16 v) {
  const __m256 x = _mm256_max_ps(v.a, v.b);
  const __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_max_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_max_ss(z, _mm_shuffle_ps(z, z, 1)));
}

QUIRE_INLINE U8x64 LoadBytes(const void* p) {
  return {Load256(p), Load256(static_cast<const char*>(p) + 32)};
}
QUIRE_INLINE void StoreBytes(void* p, U8x64 x) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), x.a);
  _mm256_storeu_si256(static_cast<__m256i*>(p) + 1, x.b);
}
QUIRE_INLINE U8x64 SplatBytes4(const void* p) {
  int32_t bytes;
  __builtin_memcpy(&bytes, p, 4);
  return {_mm256_set1_epi32(bytes), _mm256_set1_epi32(bytes)};
}
QUIRE_INLINE U8x64 SplatByte(uint8_t x) {
  const __m256i bytes = _mm256_set1_epi8(static_cast<char>(x));
  return {bytes, bytes};
}
QUIRE_AVX2_2(U8x64, And, _mm256_and_si256)
QUIRE_AVX2_2(U8x64, Or, _mm256_or_si256)
QUIRE_AVX2_2(U8x64, Xor, _mm256_xor_si256)
QUIRE_INLINE U8x64 LowNibbles(U8x64 x) { return And(x, SplatByte(15)); }
QUIRE_INLINE U8x64 HighNibbles(U8x64 x) {
  return And(U8x64{_mm256_srli_epi16(x.a, 4), _mm256_srli_epi16(x.b, 4)}, SplatByte(15));
}
QUIRE_AVX2_2(U8x64, Lookup16, _mm256_shuffle_epi8)
QUIRE_INLINE U8x64 SplatTable16(const uint8_t* p) {
  const __m256i table = _mm256_broadcastsi128_si256(Load128(p));
  return {table, table};
}
QUIRE_INLINE I32x16 LanesOf(U8x64 x) { return {x.a, x.b}; }
QUIRE_INLINE U8x64 BytesOf(I32x16 x) { return {x.a, x.b}; }

QUIRE_INLINE U8x64 OddBytes(U8x64 x) {
  return {_mm256_srai_epi16(x.a, 8), _mm256_srai_epi16(x.b, 8)};
}
QUIRE_INLINE U8x64 EvenBytes(U8x64 x) {
  return OddBytes({_mm256_slli_epi16(x.a, 8), _mm256_slli_epi16(x.b, 8)});
}

#if defined(QUIRE_ISA_avxvnni)
QUIRE_INLINE I32x16 DotS16(I32x16 acc, U8x64 a, U8x64 b) {
  return {_mm256_dpwssd_avx_epi32(acc.a, a.a, b.a), _mm256_dpwssd_avx_epi32(acc.b, a.b, b.b)};
}
QUIRE_INLINE I32x16 DotU8S8(I32x16 acc, U8x64 u, U8x64 s) {
  return {_mm256_dpbusd_avx_epi32(acc.a, u.a, s.a), _mm256_dpbusd_avx_epi32(acc.b, u.b, s.b)};
}
#else
QUIRE_INLINE I32x16 DotS16(I32x16 acc, U8x64 a, U8x64 b) {
  acc = acc + I32x16{_mm256_madd_epi16(a.a, b.a), _mm256_madd_epi16(a.b, b.b)};
  asm("" : "+x"(acc.a), "+x"(acc.b));  // as in dot_sum_avx2.h
  return acc;
}
// Even and odd bytes apart, widened to 16 bits: vpmaddwd is exact.
QUIRE_INLINE __m256i DotU8S8(__m256i acc, __m256i u, __m256i s) {
  const __m256i u_even = _mm256_and_si256(u, _mm256_set1_epi16(0xff));
  const __m256i s_even = _mm256_srai_epi16(_mm256_slli_epi16(s, 8), 8);
  const __m256i even = _mm256_madd_epi16(u_even, s_even);
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(u, 8), _mm256_srai_epi16(s, 8));
  return _mm256_add_epi32(acc, _mm256_add_epi32(even, odd));
}
QUIRE_INLINE I32x16 DotU8S8(I32x16 acc, U8x64 u, U8x64 s) {
  return {DotU8S8(acc.a, u.a, s.a), DotU8S8(acc.b, u.b, s.b)};
}
#endif

#undef QUIRE_AVX2_1
#undef QUIRE_AVX2_2

}  // namespace quire::QUIRE_ISA_NAMESPACE
