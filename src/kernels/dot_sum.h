// kernels/dot_sum.h -- sums of byte products where one instruction adds four of them to 32 bits.
#pragma once

#include <stdint.h>

namespace quire::QUIRE_ISA_NAMESPACE {

template <int bits, bool offset>
struct DotSum {
  using Weights = U8x64;
  static QUIRE_INLINE Weights Prepare(U8x64 u) { return u; }
  static QUIRE_INLINE I32x16 Start(I32x16 sums, int shift) {
    return offset ? ShiftLeftBy(sums, shift) : SplatI32(0);
  }
  static QUIRE_INLINE I32x16 Add(I32x16 sum, Weights u, U8x64 s) { return DotU8S8(sum, u, s); }
  static QUIRE_INLINE I32x16 End(I32x16 sum, I32x16) { return sum; }
};

// Minus the sum of each 16 of 64 signed bytes, as int32.
QUIRE_INLINE void MinusSums(const int8_t* bytes, int32_t* sums) {
  int32_t fours[16];
  StoreI32(fours, DotU8S8(SplatI32(0), SplatByte(1), LoadBytes(bytes)));
  for (int i = 0; i < 4; ++i) {
    const int32_t* const four = fours + 4 * i;
    sums[i] = -(four[0] + four[1] + four[2] + four[3]);
  }
}
QUIRE_INLINE int32_t AddSums(int32_t x, int32_t y) { return x + y; }
QUIRE_INLINE int32_t IntegerOf(int32_t sums) { return sums; }
QUIRE_INLINE I32x16 IntegersOf(I32x16 sums) { return sums; }

}  // namespace quire::QUIRE_ISA_NAMESPACE
