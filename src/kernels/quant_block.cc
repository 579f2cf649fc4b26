#include "kernels/quant_block.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace quire {
namespace {

uint8_t U8(const std::byte* p, uint32_t i) { return static_cast<uint8_t>(p[i]); }

uint16_t U16(const std::byte* p) {
  uint16_t x;
  std::memcpy(&x, p, 2);
  return x;
}

uint32_t U32(const std::byte* p) {
  uint32_t x;
  std::memcpy(&x, p, 4);
  return x;
}

// Small numbers in bytes, 32 side by side, 8 to a word: what a block is read with.
struct Bytes32 {
  std::array<uint64_t, 4> words;

  // Each byte moved down by `shift` bits, of which `mask` stays.
  Bytes32 Bits(uint32_t shift, uint8_t mask) const {
    const uint64_t masks = mask * kOnes;
    return {{words[0] >> shift & masks, words[1] >> shift & masks, words[2] >> shift & masks,
             words[3] >> shift & masks}};
  }
  // Each byte with the bits of `other`'s moved up by `shift`, which stay inside the byte.
  Bytes32 With(const Bytes32& other, uint32_t shift) const {
    return {{words[0] | other.words[0] << shift, words[1] | other.words[1] << shift,
             words[2] | other.words[2] << shift, words[3] | other.words[3] << shift}};
  }
  void Store(QuantBlock& b) const { std::memcpy(b.q.data(), words.data(), 32); }

  static constexpr uint64_t kOnes = 0x0101010101010101;
};

Bytes32 Load32(const std::byte* p) {
  Bytes32 x;
  std::memcpy(x.words.data(), p, 32);
  return x;
}

// 16 bytes of nibbles: columns 0..15 low, 16..31 high.
Bytes32 Nibbles16(const std::byte* p) {
  std::array<uint64_t, 2> x;
  std::memcpy(x.data(), p, 16);
  constexpr uint64_t kLow = 15 * Bytes32::kOnes;
  return {{x[0] & kLow, x[1] & kLow, x[0] >> 4 & kLow, x[1] >> 4 & kLow}};
}

// Byte i is bit i of `bits`.
Bytes32 BytesOfBits(uint32_t bits) {
  Bytes32 x;
  for (uint64_t& word : x.words) {
    // Byte i of a word keeps bit i of the eight; adding 127 to it reaches bit 7 unless it is 0.
    const uint64_t kept = (bits & 0xff) * Bytes32::kOnes & 0x8040201008040201;
    word = (kept + 0x7f * Bytes32::kOnes) >> 7 & Bytes32::kOnes;
    bits >>= 8;
  }
  return x;
}

QuantBlock ReadQ4_0(const std::byte* p, uint32_t) {
  QuantBlock b;
  b.d = U16(p);
  Nibbles16(p + 2).Store(b);
  return b;
}

QuantBlock ReadQ4_1(const std::byte* p, uint32_t) {
  QuantBlock b;
  b.d = U16(p);
  b.m = U16(p + 2);
  Nibbles16(p + 4).Store(b);
  return b;
}

QuantBlock ReadQ5_0(const std::byte* p, uint32_t) {
  QuantBlock b;
  b.d = U16(p);
  Nibbles16(p + 6).With(BytesOfBits(U32(p + 2)), 4).Store(b);
  return b;
}

QuantBlock ReadQ5_1(const std::byte* p, uint32_t) {
  QuantBlock b;
  b.d = U16(p);
  b.m = U16(p + 2);
  Nibbles16(p + 8).With(BytesOfBits(U32(p + 4)), 4).Store(b);
  return b;
}

QuantBlock ReadQ8_0(const std::byte* p, uint32_t) {
  QuantBlock b;
  b.d = U16(p);
  Bytes32 x = Load32(p + 2);
  for (uint64_t& word : x.words) word ^= 0x80 * Bytes32::kOnes;
  x.Store(b);
  return b;
}

// The 12 bytes of 6-bit scales and minimums of Q4_K and Q5_K.
void ReadSixBitPair(const std::byte* p, uint32_t j, QuantBlock& b) {
  int scale;
  int minimum;
  if (j < 4) {
    scale = U8(p, j) & 63;
    minimum = U8(p, j + 4) & 63;
  } else {
    scale = (U8(p, j + 4) & 15) | (U8(p, j - 4) >> 6 << 4);
    minimum = (U8(p, j + 4) >> 4) | (U8(p, j) >> 6 << 4);
  }
  b.sub_scale.fill(static_cast<int16_t>(scale));
  b.sub_min.fill(static_cast<int16_t>(minimum));
}

// Nibbles of block j of 256 columns: 32 bytes hold block 2i low and block 2i + 1 high.
Bytes32 Nibbles32(const std::byte* p, uint32_t j) {
  return Load32(p + j / 2 * 32).Bits(j % 2 * 4, 15);
}

QuantBlock ReadQ4K(const std::byte* p, uint32_t j) {
  QuantBlock b;
  b.d = U16(p);
  b.m = U16(p + 2);
  ReadSixBitPair(p + 4, j, b);
  Nibbles32(p + 16, j).Store(b);
  return b;
}

QuantBlock ReadQ5K(const std::byte* p, uint32_t j) {
  QuantBlock b;
  b.d = U16(p);
  b.m = U16(p + 2);
  ReadSixBitPair(p + 4, j, b);
  Nibbles32(p + 48, j).With(Load32(p + 16).Bits(j, 1), 4).Store(b);
  return b;
}

QuantBlock ReadQ6K(const std::byte* p, uint32_t j) {
  QuantBlock b;
  const Bytes32 low = Load32(p + j / 4 * 64 + j % 2 * 32).Bits(j % 4 / 2 * 4, 15);
  const Bytes32 high = Load32(p + 128 + j / 4 * 32).Bits(j % 4 * 2, 3);
  low.With(high, 4).Store(b);
  b.sub_scale = {static_cast<int8_t>(U8(p, 192 + 2 * j)),
                 static_cast<int8_t>(U8(p, 192 + 2 * j + 1))};
  b.d = U16(p + 208);
  return b;
}

// Scale s (0..15) of Q3_K: low 4 bits in bytes 0..7, high 2 bits in bytes 8..11; minus 32.
int16_t Q3Scale(const std::byte* p, uint32_t s) {
  const int low = s < 8 ? U8(p, s) & 15 : U8(p, s - 8) >> 4;
  const int high = U8(p, 8 + s % 4) >> (s / 4 * 2) & 3;
  return static_cast<int16_t>((low | high << 4) - 32);
}

QuantBlock ReadQ3K(const std::byte* p, uint32_t j) {
  QuantBlock b;
  const Bytes32 low = Load32(p + 32 + j / 4 * 32).Bits(j % 4 * 2, 3);
  low.With(Load32(p).Bits(j, 1), 2).Store(b);
  b.sub_scale = {Q3Scale(p + 96, 2 * j), Q3Scale(p + 96, 2 * j + 1)};
  b.d = U16(p + 108);
  return b;
}

QuantBlock ReadQ2K(const std::byte* p, uint32_t j) {
  QuantBlock b;
  for (uint32_t h = 0; h < 2; ++h) {
    b.sub_scale[h] = U8(p, 2 * j + h) & 15;
    b.sub_min[h] = U8(p, 2 * j + h) >> 4;
  }
  Load32(p + 16 + j / 4 * 32).Bits(j % 4 * 2, 3).Store(b);
  b.d = U16(p + 80);
  b.m = U16(p + 82);
  return b;
}

QuantBlock ReadIq4Xs(const std::byte* p, uint32_t j) {
  QuantBlock b;
  b.d = U16(p);
  const int low = U8(p, 4 + j / 2) >> (j % 2 * 4) & 15;
  const int high = U16(p + 2) >> (2 * j) & 3;
  b.sub_scale.fill(static_cast<int16_t>((low | high << 4) - 32));
  Nibbles16(p + 8 + 16 * j).Store(b);
  return b;
}

}  // namespace

QuantReader ReaderOf(TensorType type) {
  switch (type) {
    case TensorType::kQ4_0:
    case TensorType::kIQ4_NL:
      return ReadQ4_0;
    case TensorType::kQ4_1:
      return ReadQ4_1;
    case TensorType::kQ5_0:
      return ReadQ5_0;
    case TensorType::kQ5_1:
      return ReadQ5_1;
    case TensorType::kQ8_0:
      return ReadQ8_0;
    case TensorType::kQ2_K:
      return ReadQ2K;
    case TensorType::kQ3_K:
      return ReadQ3K;
    case TensorType::kQ4_K:
      return ReadQ4K;
    case TensorType::kQ5_K:
      return ReadQ5K;
    case TensorType::kQ6_K:
      return ReadQ6K;
    case TensorType::kIQ4_XS:
      return ReadIq4Xs;
    default:
      break;
  }
  QUIRE_CHECK(false, "not a quantised type");
}

QuantBlock ReadQuantBlock(TensorType type, const std::byte* row, uint32_t index) {
  const TensorTypeInfo& info = Info(type);
  const uint32_t blocks = info.block_values / 32;
  return ReaderOf(type)(row + size_t{index / blocks} * info.block_bytes, index % blocks);
}

void DequantizeBlock(TensorType type, const QuantBlock& b, float* out) {
  const float d = HalfToFloat(b.d);
  const float m = HalfToFloat(b.m);
  const bool simple = Info(type).block_values == 32;
  const bool codebook = type == TensorType::kIQ4_NL || type == TensorType::kIQ4_XS;
  const int offset = OffsetOf(type);
  for (uint32_t i = 0; i < 32; ++i) {
    const float scale = simple ? d : d * static_cast<float>(b.sub_scale[i / 16]);
    const int q = codebook ? kIq4Values[b.q[i]] : b.q[i] - offset;
    out[i] = scale * static_cast<float>(q);
    if (!HasMinimum(type)) continue;
    out[i] = simple ? out[i] + m : out[i] - m * static_cast<float>(b.sub_min[i / 16]);
  }
}

float HalfToFloat(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t magnitude = half & 0x7fffu;
  if (magnitude < 0x400) {  // zero and subnormals, without float subnormals on the way
    const float tiny = static_cast<float>(magnitude) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(tiny));
  }
  const uint32_t bits = magnitude << 13;
  return std::bit_cast<float>(sign |
                              (magnitude >= 0x7c00 ? bits | 0x7f800000 : bits + (112 << 23)));
}

}  // namespace quire
