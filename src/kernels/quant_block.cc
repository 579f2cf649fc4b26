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

// 16 bytes of nibbles: columns 0..15 low, 16..31 high.
void ReadNibbles16(const std::byte* p, QuantBlock& b) {
  for (uint32_t i = 0; i < 16; ++i) {
    b.q[i] = U8(p, i) & 15;
    b.q[i + 16] = U8(p, i) >> 4;
  }
}

// Bit i of `bits` becomes bit 4 of column i.
void AddFifthBits(uint32_t bits, QuantBlock& b) {
  for (uint32_t i = 0; i < 32; ++i) b.q[i] |= static_cast<uint8_t>((bits >> i & 1) << 4);
}

QuantBlock ReadSimple(TensorType type, const std::byte* p) {
  QuantBlock b;
  b.d = U16(p);
  switch (type) {
    case TensorType::kQ4_0:
    case TensorType::kIQ4_NL:
      ReadNibbles16(p + 2, b);
      break;
    case TensorType::kQ4_1:
      b.m = U16(p + 2);
      ReadNibbles16(p + 4, b);
      break;
    case TensorType::kQ5_0:
      ReadNibbles16(p + 6, b);
      AddFifthBits(U32(p + 2), b);
      break;
    case TensorType::kQ5_1:
      b.m = U16(p + 2);
      ReadNibbles16(p + 8, b);
      AddFifthBits(U32(p + 4), b);
      break;
    default:
      QUIRE_CHECK(type == TensorType::kQ8_0);
      for (uint32_t i = 0; i < 32; ++i) b.q[i] = U8(p, i + 2) ^ 0x80;
  }
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
void ReadNibbles32(const std::byte* p, uint32_t j, QuantBlock& b) {
  for (uint32_t i = 0; i < 32; ++i) b.q[i] = U8(p, j / 2 * 32 + i) >> (j % 2 * 4) & 15;
}

QuantBlock ReadQ4K(const std::byte* p, uint32_t j) {
  QuantBlock b;
  b.d = U16(p);
  b.m = U16(p + 2);
  ReadSixBitPair(p + 4, j, b);
  ReadNibbles32(p + 16, j, b);
  return b;
}

QuantBlock ReadQ5K(const std::byte* p, uint32_t j) {
  QuantBlock b;
  b.d = U16(p);
  b.m = U16(p + 2);
  ReadSixBitPair(p + 4, j, b);
  ReadNibbles32(p + 48, j, b);
  for (uint32_t i = 0; i < 32; ++i) b.q[i] |= static_cast<uint8_t>((U8(p, 16 + i) >> j & 1) << 4);
  return b;
}

QuantBlock ReadQ6K(const std::byte* p, uint32_t j) {
  QuantBlock b;
  const std::byte* low = p + j / 4 * 64 + j % 2 * 32;
  const std::byte* high = p + 128 + j / 4 * 32;
  for (uint32_t i = 0; i < 32; ++i) {
    const int nibble = U8(low, i) >> (j % 4 / 2 * 4) & 15;
    b.q[i] = static_cast<uint8_t>(nibble | (U8(high, i) >> (j % 4 * 2) & 3) << 4);
  }
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
  for (uint32_t i = 0; i < 32; ++i) {
    const int low = U8(p, 32 + j / 4 * 32 + i) >> (j % 4 * 2) & 3;
    b.q[i] = static_cast<uint8_t>(low | (U8(p, i) >> j & 1) << 2);
  }
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
  for (uint32_t i = 0; i < 32; ++i) b.q[i] = U8(p, 16 + j / 4 * 32 + i) >> (j % 4 * 2) & 3;
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
  ReadNibbles16(p + 8 + 16 * j, b);
  return b;
}

}  // namespace

QuantBlock ReadQuantBlock(TensorType type, const std::byte* row, uint32_t index) {
  const TensorTypeInfo& info = Info(type);
  const uint32_t blocks = info.block_values / 32;
  QUIRE_CHECK(blocks > 0, "not a quantised type");
  const std::byte* p = row + size_t{index / blocks} * info.block_bytes;
  const uint32_t j = index % blocks;
  switch (type) {
    case TensorType::kQ2_K:
      return ReadQ2K(p, j);
    case TensorType::kQ3_K:
      return ReadQ3K(p, j);
    case TensorType::kQ4_K:
      return ReadQ4K(p, j);
    case TensorType::kQ5_K:
      return ReadQ5K(p, j);
    case TensorType::kQ6_K:
      return ReadQ6K(p, j);
    case TensorType::kIQ4_XS:
      return ReadIq4Xs(p, j);
    default:
      return ReadSimple(type, p);
  }
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
