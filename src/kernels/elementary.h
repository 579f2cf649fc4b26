// kernels/elementary.h -- exp and what is made of it, on sixteen lanes, the same bits everywhere.
//
// For *_isa.cc files only (lanes.h). Exp errs by at most 1.1 ulp (ops_test.cc measures it).
#pragma once

#include "kernels/lanes.h"

namespace quire::QUIRE_ISA_NAMESPACE {

// e^x = 2^n * e^r with n = round(x / ln 2), |r| <= ln(2)/2, and e^r by a polynomial of degree 6
// (interpolated at Chebyshev nodes: 2e-9 relative before rounding). Results that would be
// subnormal are 0, so that the thread's flush mode does not matter. Exp(-inf) = 0, Exp(NaN) = NaN.
QUIRE_INLINE F32x16 Exp(F32x16 x) {
  const F32x16 rounder = SplatF32(0x1.8p23f);  // leaves n in the low bits of the sum
  const F32x16 shifted = Fma(x, SplatF32(0x1.715476p+0f), rounder);
  const F32x16 n = shifted - rounder;
  F32x16 r = Fma(n, SplatF32(-0x1.62e43p-1f), x);
  r = Fma(n, SplatF32(0x1.05c61p-29f), r);
  F32x16 g = Fma(SplatF32(0x1.6d110ap-10f), r, SplatF32(0x1.120b6ep-7f));
  g = Fma(g, r, SplatF32(0x1.55551ap-5f));
  g = Fma(g, r, SplatF32(0x1.5554dcp-3f));
  g = Fma(g, r, SplatF32(0.5f));
  const F32x16 power = Fma(r * r, g, r) + SplatF32(1.0f);
  const F32x16 scaled = FromBits(BitsOf(power) + ShiftLeft<23>(BitsOf(shifted)));
  // Below -126 ln 2 the result has no normal exponent; above the bound x + inf is inf or NaN.
  const F32x16 high = x + SplatF32(__builtin_inff());
  const F32x16 bounded = Select(LessEqual(x, SplatF32(0x1.62e42ep+6f)), scaled, high);
  return Select(Less(x, SplatF32(-0x1.5d589ep+6f)), ZeroF32(), bounded);
}

// x * sigmoid(x).
QUIRE_INLINE F32x16 Silu(F32x16 x) { return x / (SplatF32(1.0f) + Exp(Neg(x))); }

// 0.5 x (1 + tanh u) with u = sqrt(2/pi) (x + 0.044715 x^3) is x * sigmoid(2u), which loses
// nothing where tanh is near 0 or near -1.
QUIRE_INLINE F32x16 GeluTanh(F32x16 x) {
  const F32x16 cubic = Fma(x * x, x * SplatF32(0.044715f), x);
  return x / (SplatF32(1.0f) + Exp(cubic * SplatF32(-1.5957691216057308f)));
}

}  // namespace quire::QUIRE_ISA_NAMESPACE
