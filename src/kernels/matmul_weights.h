// kernels/matmul_weights.h -- how a kernel reads each packed weight type, 16 rows at a time.
//
// For *_isa.cc files. A weight type W tells at compile time:
//
//   kType         its TensorType; the layout is packed_layout.h's
//   kOffsetShift  the offset of its unsigned weights is 1 << kOffsetShift; none if negative
//   kBits         weights are below 1 << kBits
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

// Of 16 rows and one block. Fields that a type does not have are left unset.
struct Scales {
  F32x16 d;       // times the sub-scale, where there is one for the whole block
  F32x16 m;       // added; or, where kHalves, dmin
  F32x16 sub[2];  // kHalves: scales of the halves, integers
  F32x16 min[2];  // kHalves and kMinimum: minimums of the halves, integers
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
  Scales s;
  s.d = LoadF16(Halves(h + 32 * i));
  return s;
}
QUIRE_INLINE Scales ScalesDM(const uint8_t* h) {
  Scales s;
  s.d = LoadF16(Halves(h));
  s.m = LoadF16(Halves(h + 32));
  return s;
}
QUIRE_INLINE Scales ScalesK(const uint8_t* h, uint32_t i) {
  Scales s;
  s.d = LoadF16(Halves(h)) * ToF32(LoadU8(h + 64 + 16 * i));
  s.m = Neg(LoadF16(Halves(h + 32)) * ToF32(LoadU8(h + 192 + 16 * i)));
  return s;
}
QUIRE_INLINE Scales ScalesHalves(const uint8_t* h, uint32_t i) {
  const auto* sub = reinterpret_cast<const int8_t*>(h + 64 + 32 * i);
  Scales s;
  s.d = LoadF16(Halves(h));
  s.sub[0] = ToF32(LoadI8(sub));
  s.sub[1] = ToF32(LoadI8(sub + 16));
  return s;
}

struct WeightQ4_0 {
  static constexpr TensorType kType = TensorType::kQ4_0;
  static constexpr int kBits = 4;
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
  static constexpr int kBits = 5;
  static constexpr int kOffsetShift = 4;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return FiveBitStep<j>(p);
  }
};

struct WeightQ5_1 : WeightQ4_1 {
  static constexpr TensorType kType = TensorType::kQ5_1;
  static constexpr int kBits = 5;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return FiveBitStep<j>(p);
  }
};

struct WeightQ5_K : WeightQ4_K {
  static constexpr TensorType kType = TensorType::kQ5_K;
  static constexpr int kBits = 5;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return FiveBitStep<j>(p);
  }
};

struct WeightQ8_0 : WeightQ4_0 {
  static constexpr TensorType kType = TensorType::kQ8_0;
  static constexpr int kBits = 8;
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
    Scales s;
    const I32x16 sub = LoadI8(reinterpret_cast<const int8_t*>(h + 64 + 16 * i));
    s.d = LoadF16(Halves(h)) * ToF32(sub);
    return s;
  }
};

struct WeightQ6_K {
  static constexpr TensorType kType = TensorType::kQ6_K;
  static constexpr int kBits = 6;
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
  static constexpr int kBits = 3;
  static constexpr int kOffsetShift = 2;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return Or(TwoBitStep<j, 0>(p), OneBitStep<j, 2>(p + 128));
  }
};

struct WeightQ2_K : WeightQ6_K {
  static constexpr TensorType kType = TensorType::kQ2_K;
  static constexpr int kBits = 2;
  static constexpr int kOffsetShift = -1;
  static constexpr bool kMinimum = true;
  template <int j>
  static QUIRE_INLINE U8x64 Step(const uint8_t* p) {
    return TwoBitStep<j, 0>(p);
  }
  static QUIRE_INLINE Scales ScalesOf(const uint8_t* h, uint32_t i) {
    const I32x16 low = LoadU8(h + 64 + 32 * i);
    const I32x16 high = LoadU8(h + 64 + 32 * i + 16);
    Scales s;
    s.d = LoadF16(Halves(h));
    s.m = LoadF16(Halves(h + 32));
    s.sub[0] = ToF32(And(low, SplatI32(15)));
    s.sub[1] = ToF32(And(high, SplatI32(15)));
    s.min[0] = ToF32(ShiftRight<4>(low));
    s.min[1] = ToF32(ShiftRight<4>(high));
    return s;
  }
};

// Calls f(W{}) for the weight type of a quantised tensor type.
template <typename F>
QUIRE_INLINE void WithWeight(TensorType type, const F& f) {
  switch (type) {
    case TensorType::kQ4_0:
      return f(WeightQ4_0{});
    case TensorType::kQ4_1:
      return f(WeightQ4_1{});
    case TensorType::kQ5_0:
      return f(WeightQ5_0{});
    case TensorType::kQ5_1:
      return f(WeightQ5_1{});
    case TensorType::kQ8_0:
      return f(WeightQ8_0{});
    case TensorType::kQ2_K:
      return f(WeightQ2_K{});
    case TensorType::kQ3_K:
      return f(WeightQ3_K{});
    case TensorType::kQ4_K:
      return f(WeightQ4_K{});
    case TensorType::kQ5_K:
      return f(WeightQ5_K{});
    case TensorType::kQ6_K:
      return f(WeightQ6_K{});
    case TensorType::kIQ4_NL:
      return f(WeightIQ4_NL{});
    case TensorType::kIQ4_XS:
      return f(WeightIQ4_XS{});
    default:
      return;
  }
}

}  // namespace quire::QUIRE_ISA_NAMESPACE
