// kernels/matmul_weights.h -- how a kernel reads each packed weight type, 16 rows at a time.
//
// For *_isa.cc files. A weight type W tells at compile time:
//
//   kType         its TensorType; the layout is packed_layout.h's
//   kOffsetShift  the offset of its unsigned weights is 1 << kOffsetShift; none if negative
//   kMinimum      has minimums
//   kHalves       has one scale per 16 columns
//   Step<j>(p)    the 64 weights of step j, unsigned, from the planes p of a block
//   Scales(h, i)  the scales of block i of a unit whose header is at h
#pragma once

#include "kernels/lanes.h"
#include "kernels/packed_layout.h"

namespace quire::QUIRE_ISA_NAMESPACE {

// Calls f(Index<begin>), ... f(Index<end - 1>): a loop whose counter is a constant.
template <int n>
struct Index {
  static constexpr int value = n;
};
template <int begin, int end, typename F>
QUIRE_INLINE void Unroll(const F& f) {
  if constexpr (begin < end) {
    f(Index<begin>{});
    Unroll<begin + 1, end>(f);
  }
}

// Of 16 rows and one block.
struct Scales {
  F32x16 d;       // times the sub-scale, where there is one for the whole block
  F32x16 m;       // added; or, where kHalves, minus dmin
  I32x16 sub[2];  // kHalves: integer scales of the halves
  I32x16 min[2];  // kHalves and kMinimum: integer minimums of the halves
};

// The bits of every byte moved up by n (down if negative); neighbours' bits come along.
template <int n>
QUIRE_INLINE U8x64 ShiftBits(U8x64 x) {
  if constexpr (n > 0) {
    return BytesOf(ShiftLeft<n>(LanesOf(x)));
  } else if constexpr (n < 0) {
    return BytesOf(ShiftRight<-n>(LanesOf(x)));
  } else {
    return x;
  }
}

template <int j>
QUIRE_INLINE U8x64 NibbleStep(const uint8_t* p) {
  const U8x64 x = LoadBytes(p + j / 2 * 64);
  if constexpr (j % 2 == 0) {
    return LowNibbles(x);
  } else {
    return HighNibbles(x);
  }
}
// Two bits of step j of a 2-bit plane, moved to bit `to`.
template <int j, int to>
QUIRE_INLINE U8x64 TwoBitStep(const uint8_t* p) {
  return And(ShiftBits<to - j % 4 * 2>(LoadBytes(p + j / 4 * 64)), SplatByte(3 << to));
}
template <int j, int to>
QUIRE_INLINE U8x64 OneBitStep(const uint8_t* p) {
  return And(ShiftBits<to - j>(LoadBytes(p)), SplatByte(1 << to));
}

template <int j>
QUIRE_INLINE U8x64 FiveBitStep(const uint8_t* p) {
  return Or(NibbleStep<j>(p), OneBitStep<j, 4>(p + 256));
}

template <int j>
QUIRE_INLINE U8x64 CodebookStep(const uint8_t* p) {
  // Q's meaning plus 128: -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113.
  static constexpr uint8_t kTable[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                         129, 141, 153, 166, 181, 197, 217, 241};
  return Lookup16(SplatTable16(kTable), NibbleStep<j>(p));
}

QUIRE_INLINE const uint16_t* Halves(const uint8_t* p) {
  return reinterpret_cast<const uint16_t*>(p);
}
QUIRE_INLINE Scales ScalesD(const uint8_t* h, uint32_t i) {
  return {.d = LoadF16(Halves(h + 32 * i)), .m = ZeroF32(), .sub = {}, .min = {}};
}
QUIRE_INLINE Scales ScalesDM(const uint8_t* h) {
  return {.d = LoadF16(Halves(h)), .m = LoadF16(Halves(h + 32)), .sub = {}, .min = {}};
}
QUIRE_INLINE Scales ScalesK(const uint8_t* h, uint32_t i) {
  const F32x16 sub_scale = ToF32(LoadU8(h + 64 + 16 * i));
  const F32x16 sub_min = ToF32(LoadU8(h + 192 + 16 * i));
  return {.d = LoadF16(Halves(h)) * sub_scale,
          .m = Neg(LoadF16(Halves(h + 32)) * sub_min),
          .sub = {},
          .min = {}};
}
QUIRE_INLINE Scales ScalesHalves(const uint8_t* h, uint32_t i) {
  const auto* sub = reinterpret_cast<const int8_t*>(h + 64 + 32 * i);
  return {
      .d = LoadF16(Halves(h)), .m = ZeroF32(), .sub = {LoadI8(sub), LoadI8(sub + 16)}, .min = {}};
}

struct WeightQ4_0 {
  static constexpr TensorType kType = TensorType::kQ4_0;
  static constexpr int kOffsetShift = 3;
  static constexpr bool kMinimum = false;
  static constexpr bool kHalves = false;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return NibbleStep<j>(p);
  }
  static QUIRE_INLINE Scales ScalesOf(const uint8_t* h, uint32_t i) { return ScalesD(h, i); }
};

struct WeightQ4_1 : WeightQ4_0 {
  static constexpr TensorType kType = TensorType::kQ4_1;
  static constexpr int kOffsetShift = -1;
  static constexpr bool kMinimum = true;
  static QUIRE_INLINE Scales ScalesOf(const uint8_t* h, uint32_t) { return ScalesDM(h); }
};

struct WeightQ4_K : WeightQ4_1 {
  static constexpr TensorType kType = TensorType::kQ4_K;
  static QUIRE_INLINE Scales ScalesOf(const uint8_t* h, uint32_t i) { return ScalesK(h, i); }
};

struct WeightQ5_0 : WeightQ4_0 {
  static constexpr TensorType kType = TensorType::kQ5_0;
  static constexpr int kOffsetShift = 4;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return FiveBitStep<j>(p);
  }
};

struct WeightQ5_1 : WeightQ4_1 {
  static constexpr TensorType kType = TensorType::kQ5_1;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return FiveBitStep<j>(p);
  }
};

struct WeightQ5_K : WeightQ4_K {
  static constexpr TensorType kType = TensorType::kQ5_K;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return FiveBitStep<j>(p);
  }
};

struct WeightQ8_0 : WeightQ4_0 {
  static constexpr TensorType kType = TensorType::kQ8_0;
  static constexpr int kOffsetShift = 7;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return LoadBytes(p + j * 64);
  }
};

struct WeightIQ4_NL : WeightQ8_0 {
  static constexpr TensorType kType = TensorType::kIQ4_NL;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return CodebookStep<j>(p);
  }
};

struct WeightIQ4_XS : WeightIQ4_NL {
  static constexpr TensorType kType = TensorType::kIQ4_XS;
  static QUIRE_INLINE Scales ScalesOf(const uint8_t* h, uint32_t i) {
    const I32x16 sub = LoadI8(reinterpret_cast<const int8_t*>(h + 64 + 16 * i));
    return {.d = LoadF16(Halves(h)) * ToF32(sub), .m = ZeroF32(), .sub = {}, .min = {}};
  }
};

struct WeightQ6_K {
  static constexpr TensorType kType = TensorType::kQ6_K;
  static constexpr int kOffsetShift = 5;
  static constexpr bool kMinimum = false;
  static constexpr bool kHalves = true;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return Or(NibbleStep<j>(p), TwoBitStep<j, 4>(p + 256));
  }
  static QUIRE_INLINE Scales ScalesOf(const uint8_t* h, uint32_t i) { return ScalesHalves(h, i); }
};

struct WeightQ3_K : WeightQ6_K {
  static constexpr TensorType kType = TensorType::kQ3_K;
  static constexpr int kOffsetShift = 2;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return Or(TwoBitStep<j, 0>(p), OneBitStep<j, 2>(p + 128));
  }
};

struct WeightQ2_K : WeightQ6_K {
  static constexpr TensorType kType = TensorType::kQ2_K;
  static constexpr int kOffsetShift = -1;
  static constexpr bool kMinimum = true;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return TwoBitStep<j, 0>(p);
  }
  static QUIRE_INLINE Scales ScalesOf(const uint8_t* h, uint32_t i) {
    const I32x16 low = LoadU8(h + 64 + 32 * i);
    const I32x16 high = LoadU8(h + 64 + 32 * i + 16);
    return {.d = LoadF16(Halves(h)),
            .m = Neg(LoadF16(Halves(h + 32))),
            .sub = {And(low, SplatI32(15)), And(high, SplatI32(15))},
            .min = {ShiftRight<4>(low), ShiftRight<4>(high)}};
  }
};

}  // namespace quire::QUIRE_ISA_NAMESPACE
