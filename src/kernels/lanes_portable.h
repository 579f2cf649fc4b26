// kernels/lanes_portable.h -- the sixteen lanes of lanes.h as four 16-byte compiler vectors.
//
// Baseline instructions only. Fma is exact without an FMA instruction: the product of two floats is
// exact in double, and a sum rounded to odd there rounds correctly to float afterwards.
#pragma once

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace quire::QUIRE_ISA_NAMESPACE {

typedef float F4 __attribute__((vector_size(16)));
typedef int32_t I4 __attribute__((vector_size(16)));
typedef uint32_t N4 __attribute__((vector_size(16)));
typedef int16_t H8 __attribute__((vector_size(16)));
typedef uint16_t G8 __attribute__((vector_size(16)));
typedef uint8_t B16 __attribute__((vector_size(16)));
typedef double D2 __attribute__((vector_size(16)));
typedef int64_t L2 __attribute__((vector_size(16)));
typedef uint64_t M2 __attribute__((vector_size(16)));

struct F32x16 {
  F4 v[4];
};
struct I32x16 {
  I4 v[4];
};
struct U8x64 {
  B16 v[4];
};
struct Mask16 {  // all bits of a chosen lane
  I4 v[4];
};

// A function of 16 lanes from an expression over their four parts, `i`. Takes a semicolon.
#define QUIRE_FOUR(Type, Name, parameters, expression) \
  QUIRE_INLINE Type Name parameters {                  \
    Type r;                                            \
    for (int i = 0; i < 4; ++i) r.v[i] = (expression); \
    return r;                                          \
  }                                                    \
  static_assert(true)

QUIRE_INLINE F4 Splat4(float x) { return F4{x, x, x, x}; }
QUIRE_INLINE I4 Splat4(int32_t x) { return I4{x, x, x, x}; }
QUIRE_INLINE F4 Choose(I4 m, F4 yes, F4 no) { return (F4)(((I4)yes & m) | ((I4)no & ~m)); }
QUIRE_INLINE I4 Choose(I4 m, I4 yes, I4 no) { return (yes & m) | (no & ~m); }
QUIRE_FOUR(Mask16, And, (Mask16 a, Mask16 b), a.v[i] & b.v[i]);
QUIRE_FOUR(Mask16, Or, (Mask16 a, Mask16 b), a.v[i] | b.v[i]);
QUIRE_FOUR(Mask16, Not, (Mask16 a), ~a.v[i]);
QUIRE_INLINE bool Any(Mask16 a) {
  const I4 x = (a.v[0] | a.v[1]) | (a.v[2] | a.v[3]);
  return (x[0] | x[1] | x[2] | x[3]) != 0;
}
QUIRE_FOUR(F32x16, SplatF32, (float x), Splat4(x));
QUIRE_FOUR(F32x16, ZeroF32, (), F4{});
QUIRE_INLINE F32x16 LoadF32(const float* p) {
  F32x16 r;
  __builtin_memcpy(&r, p, 64);
  return r;
}
QUIRE_INLINE void StoreF32(float* p, F32x16 x) { __builtin_memcpy(p, &x, 64); }
QUIRE_INLINE F32x16 LoadF32Partial(const float* p, uint32_t n) {
  F32x16 r = ZeroF32();
  __builtin_memcpy(&r, p, n < 16 ? n * 4 : 64);
  return r;
}
QUIRE_INLINE void StoreF32Partial(float* p, F32x16 x, uint32_t n) {
  __builtin_memcpy(p, &x, n < 16 ? n * 4 : 64);
}
QUIRE_FOUR(F32x16, operator+, (F32x16 a, F32x16 b), a.v[i] + b.v[i]);
QUIRE_FOUR(F32x16, operator-, (F32x16 a, F32x16 b), a.v[i] - b.v[i]);
QUIRE_FOUR(F32x16, operator*, (F32x16 a, F32x16 b), a.v[i] * b.v[i]);
QUIRE_FOUR(F32x16, operator/, (F32x16 a, F32x16 b), a.v[i] / b.v[i]);
QUIRE_FOUR(F32x16, Min, (F32x16 a, F32x16 b), Choose(a.v[i] < b.v[i], a.v[i], b.v[i]));
QUIRE_FOUR(F32x16, Max, (F32x16 a, F32x16 b), Choose(a.v[i] > b.v[i], a.v[i], b.v[i]));
QUIRE_FOUR(F32x16, Neg, (F32x16 a), (F4)((I4)a.v[i] ^ Splat4(INT32_MIN)));
QUIRE_FOUR(F32x16, Abs, (F32x16 a), (F4)((I4)a.v[i] & Splat4(INT32_MAX)));
QUIRE_INLINE F32x16 Sqrt(F32x16 a) {
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) a.v[i][j] = __builtin_sqrtf(a.v[i][j]);
  }
  return a;
}
// Adding and subtracting 2^23 rounds to an integer what is below it.
QUIRE_INLINE F4 Round4(F4 x) {
  const I4 sign = (I4)x & Splat4(INT32_MIN);
  const F4 magnitude = (F4)((I4)x & Splat4(INT32_MAX));
  const F4 rounded = (magnitude + Splat4(8388608.0f)) - Splat4(8388608.0f);
  return Choose(magnitude < Splat4(8388608.0f), (F4)((I4)rounded | sign), x);
}
QUIRE_FOUR(F32x16, Round, (F32x16 a), Round4(a.v[i]));

#if defined(__SSE2__)  // baseline there, but g++ 12 converts the upper half one by one
QUIRE_INLINE D2 WidenLow(F4 x) { return _mm_cvtps_pd(x); }
QUIRE_INLINE D2 WidenHigh(F4 x) { return _mm_cvtps_pd(_mm_movehl_ps(x, x)); }
QUIRE_INLINE F4 Narrow(D2 low, D2 high) {
  return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
}
#else
QUIRE_INLINE D2 WidenLow(F4 x) { return D2{x[0], x[1]}; }
QUIRE_INLINE D2 WidenHigh(F4 x) { return D2{x[2], x[3]}; }
QUIRE_INLINE F4 Narrow(D2 low, D2 high) {
  return F4{static_cast<float>(low[0]), static_cast<float>(low[1]), static_cast<float>(high[0]),
            static_cast<float>(high[1])};
}
#endif
struct Sum2 {
  D2 product, addend, sum;
};
QUIRE_INLINE Sum2 SumOf(D2 a, D2 b, D2 c) {
  Sum2 r;
  r.product = a * b;
  r.addend = c;
  r.sum = r.product + r.addend;
  return r;
}
// Whether rounding the sum twice, to double and then to float, may differ from rounding it once:
// where it lies halfway between floats, or the float is subnormal. (Also true now and then without
// need, as the upper words are tested like the lower ones.)
QUIRE_INLINE I4 RoundsTwice(D2 sum) {
  const I4 halfway = ((I4)sum & 0x1fffffff) == 0x10000000;
  const I4 magnitude = (I4)sum & INT32_MAX;
  const I4 subnormal = (magnitude < Splat4(0x38200000)) & (magnitude > Splat4(0));  // 2^-125
  return halfway | (subnormal & I4{0, -1, 0, -1});
}
// The sum rounded to odd: where inexact and even, the neighbour on the side of the error.
QUIRE_INLINE D2 RoundToOdd(const Sum2& x) {
  const D2 s = x.sum;
  const D2 q = s - x.product;
  const D2 error = (x.product - (s - q)) + (x.addend - q);  // exact
  const L2 inexact = (error > 0.0) | (error < 0.0);
  const L2 even = ((L2)s & 1) - 1;  // all ones where even
  const L2 apart = (L2)((M2)((L2)error ^ (L2)s) >> 63);
  const L2 step = 1 - 2 * apart;  // +1 away from zero, -1 towards it
  return (D2)((L2)s + (step & inexact & even));
}
QUIRE_INLINE F4 Fma4(F4 a, F4 b, F4 c) {
  Sum2 low = SumOf(WidenLow(a), WidenLow(b), WidenLow(c));
  Sum2 high = SumOf(WidenHigh(a), WidenHigh(b), WidenHigh(c));
  const L2 care = (L2)(RoundsTwice(low.sum) | RoundsTwice(high.sum));
  if (__builtin_expect((care[0] | care[1]) != 0, 0)) {
    low.sum = RoundToOdd(low);
    high.sum = RoundToOdd(high);
  }
  return Narrow(low.sum, high.sum);
}
QUIRE_FOUR(F32x16, Fma, (F32x16 a, F32x16 b, F32x16 c), Fma4(a.v[i], b.v[i], c.v[i]));
QUIRE_FOUR(Mask16, Less, (F32x16 a, F32x16 b), a.v[i] < b.v[i]);
QUIRE_FOUR(Mask16, LessEqual, (F32x16 a, F32x16 b), a.v[i] <= b.v[i]);
QUIRE_FOUR(Mask16, Equal, (F32x16 a, F32x16 b), a.v[i] == b.v[i]);
QUIRE_FOUR(F32x16, Select, (Mask16 m, F32x16 yes, F32x16 no), Choose(m.v[i], yes.v[i], no.v[i]));
QUIRE_FOUR(I32x16, SplatI32, (int32_t x), Splat4(x));
QUIRE_FOUR(I32x16, Iota, (), (I4{0, 1, 2, 3} + 4 * i));

QUIRE_INLINE I32x16 LoadI32(const int32_t* p) {
  I32x16 r;
  __builtin_memcpy(&r, p, 64);
  return r;
}
QUIRE_INLINE void StoreI32(int32_t* p, I32x16 x) { __builtin_memcpy(p, &x, 64); }
QUIRE_FOUR(I32x16, LoadU8, (const uint8_t* p),
           (I4{p[4 * i], p[4 * i + 1], p[4 * i + 2], p[4 * i + 3]}));
QUIRE_FOUR(I32x16, LoadI8, (const int8_t* p),
           (I4{p[4 * i], p[4 * i + 1], p[4 * i + 2], p[4 * i + 3]}));

QUIRE_INLINE void StoreI8(int8_t* p, I32x16 x) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(x.v[i / 4][i % 4]);
}
QUIRE_FOUR(I32x16, operator+, (I32x16 a, I32x16 b), (I4)((N4)a.v[i] + (N4)b.v[i]));
QUIRE_FOUR(I32x16, operator-, (I32x16 a, I32x16 b), (I4)((N4)a.v[i] - (N4)b.v[i]));
QUIRE_FOUR(I32x16, Mul, (I32x16 a, I32x16 b), (I4)((N4)a.v[i] * (N4)b.v[i]));
QUIRE_FOUR(I32x16, And, (I32x16 a, I32x16 b), a.v[i] & b.v[i]);
QUIRE_FOUR(I32x16, Or, (I32x16 a, I32x16 b), a.v[i] | b.v[i]);
QUIRE_FOUR(I32x16, Xor, (I32x16 a, I32x16 b), a.v[i] ^ b.v[i]);
QUIRE_FOUR(I32x16, Min, (I32x16 a, I32x16 b), Choose(a.v[i] < b.v[i], a.v[i], b.v[i]));
QUIRE_FOUR(I32x16, Max, (I32x16 a, I32x16 b), Choose(a.v[i] > b.v[i], a.v[i], b.v[i]));
template <int n>
QUIRE_FOUR(I32x16, ShiftLeft, (I32x16 a), (I4)((N4)a.v[i] << n));

template <int n>
QUIRE_FOUR(I32x16, ShiftRight, (I32x16 a), (I4)((N4)a.v[i] >> n));

template <int n>
QUIRE_FOUR(I32x16, ShiftRightSigned, (I32x16 a), a.v[i] >> n);
QUIRE_FOUR(I32x16, ShiftLeftBy, (I32x16 a, int n), (I4)((N4)a.v[i] << n));
QUIRE_FOUR(Mask16, Less, (I32x16 a, I32x16 b), a.v[i] < b.v[i]);
QUIRE_FOUR(Mask16, Equal, (I32x16 a, I32x16 b), a.v[i] == b.v[i]);
QUIRE_FOUR(I32x16, Select, (Mask16 m, I32x16 yes, I32x16 no), Choose(m.v[i], yes.v[i], no.v[i]));

QUIRE_INLINE Mask16 FirstLanes(uint32_t n) {
  return Less(Iota(), SplatI32(static_cast<int32_t>(n)));
}

QUIRE_INLINE I4 ToI4(F4 x) { return __builtin_convertvector(Round4(x), I4); }
QUIRE_FOUR(I32x16, ToI32, (F32x16 a), ToI4(a.v[i]));
QUIRE_FOUR(F32x16, ToF32, (I32x16 a), __builtin_convertvector(a.v[i], F4));
QUIRE_FOUR(I32x16, BitsOf, (F32x16 a), (I4)a.v[i]);
QUIRE_FOUR(F32x16, FromBits, (I32x16 a), (F4)a.v[i]);

// Half precision by integer steps: float subnormals may be flushed by the thread's mode.
QUIRE_INLINE F4 HalfToFloat(I4 h) {
  const I4 magnitude = (h & 0x7fff) << 13;
  const I4 normal = magnitude + (112 << 23);
  const I4 special = magnitude | 0x7f800000 | (((h & 0x3ff) != 0) & 0x400000);
  const F4 tiny = __builtin_convertvector(h & 0x3ff, F4) * Splat4(0x1p-24f);
  I4 r = Choose((h & 0x7c00) == 0x7c00, special, normal);
  r = Choose((h & 0x7c00) == 0, (I4)tiny, r);
  return (F4)(r | (I4)((N4)(h & 0x8000) << 16));
}
QUIRE_INLINE I4 FloatToHalf(F4 x) {
  const I4 a = (I4)x & INT32_MAX;
  const I4 tiny = (I4)((F4)a + Splat4(0.5f)) - 0x3f000000;
  const I4 normal = (a + 0xfff + ((a >> 13) & 1) - (112 << 23)) >> 13;
  I4 r = Choose(a < Splat4(0x38800000), tiny, normal);
  r = Choose(a >= Splat4(0x477ff000), Splat4(0x7c00), r);
  r = Choose(a > Splat4(0x7f800000), 0x7e00 | ((a >> 13) & 0x3ff), r);
  return r | (I4)((N4)((I4)x & INT32_MIN) >> 16);
}
QUIRE_FOUR(F32x16, LoadF16, (const uint16_t* p),
           HalfToFloat(I4{p[4 * i], p[4 * i + 1], p[4 * i + 2], p[4 * i + 3]}));

QUIRE_INLINE F32x16 LoadF16Partial(const uint16_t* p, uint32_t n) {
  uint16_t padded[16] = {};
  __builtin_memcpy(padded, p, n < 16 ? n * 2 : 32);
  return LoadF16(padded);
}
QUIRE_INLINE void StoreF16(uint16_t* p, F32x16 x) {
  for (int i = 0; i < 4; ++i) {
    const I4 h = FloatToHalf(x.v[i]);
    for (int j = 0; j < 4; ++j) p[4 * i + j] = static_cast<uint16_t>(h[j]);
  }
}
QUIRE_FOUR(F32x16, LoadBF16, (const uint16_t* p),
           (F4)((I4)(N4{p[4 * i], p[4 * i + 1], p[4 * i + 2], p[4 * i + 3]} << 16)));

QUIRE_INLINE float ReduceAdd(F32x16 a) {
  const F4 y = (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]);
  return (y[0] + y[2]) + (y[1] + y[3]);
}
QUIRE_INLINE float Larger(float a, float b) { return a > b ? a : b; }
QUIRE_INLINE float ReduceMax(F32x16 a) {
  const F4 x = Choose(a.v[0] > a.v[2], a.v[0], a.v[2]);
  const F4 w = Choose(a.v[1] > a.v[3], a.v[1], a.v[3]);
  const F4 y = Choose(x > w, x, w);
  return Larger(Larger(y[0], y[2]), Larger(y[1], y[3]));
}

QUIRE_INLINE U8x64 LoadBytes(const void* p) {
  U8x64 r;
  __builtin_memcpy(&r, p, 64);
  return r;
}
QUIRE_INLINE void StoreBytes(void* p, U8x64 x) { __builtin_memcpy(p, &x, 64); }
QUIRE_FOUR(U8x64, SplatByte, (uint8_t x), (B16{} + x));
QUIRE_FOUR(U8x64, BytesOf, (I32x16 a), (B16)a.v[i]);
QUIRE_FOUR(I32x16, LanesOf, (U8x64 a), (I4)a.v[i]);

QUIRE_INLINE U8x64 SplatBytes4(const void* p) {
  int32_t bytes;
  __builtin_memcpy(&bytes, p, 4);
  return BytesOf(SplatI32(bytes));
}
QUIRE_FOUR(U8x64, And, (U8x64 a, U8x64 b), a.v[i] & b.v[i]);
QUIRE_FOUR(U8x64, Or, (U8x64 a, U8x64 b), a.v[i] | b.v[i]);
QUIRE_FOUR(U8x64, Xor, (U8x64 a, U8x64 b), a.v[i] ^ b.v[i]);
QUIRE_FOUR(U8x64, LowNibbles, (U8x64 a), a.v[i] & 15);
QUIRE_FOUR(U8x64, HighNibbles, (U8x64 a), (B16)((G8)a.v[i] >> 4) & 15);

// `table`: 16 bytes, repeated in every 16 of the 64.
QUIRE_INLINE U8x64 Lookup16(U8x64 table, U8x64 nibbles) {
  for (int i = 0; i < 64; ++i) nibbles.v[i / 16][i % 16] = table.v[0][nibbles.v[i / 16][i % 16]];
  return nibbles;
}
QUIRE_INLINE U8x64 SplatTable16(const uint8_t* p) {
  U8x64 r;
  for (int i = 0; i < 4; ++i) __builtin_memcpy(&r.v[i], p, 16);
  return r;
}

// Products of a byte and a signed byte fit 16 bits; their sums are taken in 32.
QUIRE_INLINE I4 Dot4(I4 acc, B16 u, B16 s) {
  const I4 even = (I4)((H8)((G8)u & 0xff) * ((H8)((G8)s << 8) >> 8));
  const I4 odd = (I4)((H8)((G8)u >> 8) * ((H8)s >> 8));
  const I4 sum_even = ((I4)((N4)even << 16) >> 16) + (even >> 16);
  return acc + sum_even + ((I4)((N4)odd << 16) >> 16) + (odd >> 16);
}
QUIRE_FOUR(I32x16, DotU8S8, (I32x16 acc, U8x64 u, U8x64 s), Dot4(acc.v[i], u.v[i], s.v[i]));

QUIRE_FOUR(U8x64, EvenBytes, (U8x64 x), (B16)((H8)((G8)x.v[i] << 8) >> 8));
QUIRE_FOUR(U8x64, OddBytes, (U8x64 x), (B16)((H8)x.v[i] >> 8));
QUIRE_INLINE I4 DotPairs(I4 a, I4 b) {
#if defined(__SSE2__)
  return (I4)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
  return ((I4)((N4)a << 16) >> 16) * ((I4)((N4)b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}
QUIRE_FOUR(I32x16, DotS16, (I32x16 acc, U8x64 a, U8x64 b),
           acc.v[i] + DotPairs((I4)a.v[i], (I4)b.v[i]));

#undef QUIRE_FOUR

}  // namespace quire::QUIRE_ISA_NAMESPACE
