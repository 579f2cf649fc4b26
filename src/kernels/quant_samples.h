// kernels/quant_samples.h -- random tensors in every type of a GGUF file, for tests and benchmarks.
//
// Header only and without GoogleTest, since bench/ uses it too.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "gguf/tensor_type.h"

namespace quire {

inline constexpr std::array kAllTensorTypes = {
    TensorType::kF32,  TensorType::kF16,    TensorType::kBF16,  TensorType::kQ4_0,
    TensorType::kQ4_1, TensorType::kQ5_0,   TensorType::kQ5_1,  TensorType::kQ8_0,
    TensorType::kQ2_K, TensorType::kQ3_K,   TensorType::kQ4_K,  TensorType::kQ5_K,
    TensorType::kQ6_K, TensorType::kIQ4_NL, TensorType::kIQ4_XS};

// Byte offsets of the f16 scales in a block of `type`; -1: none.
constexpr std::array<int, 2> HalfOffsets(TensorType type) {
  switch (type) {
    case TensorType::kQ4_1:
    case TensorType::kQ5_1:
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
      return {0, 2};
    case TensorType::kQ2_K:
      return {80, 82};
    case TensorType::kQ3_K:
      return {108, -1};
    case TensorType::kQ6_K:
      return {208, -1};
    default:
      return {0, -1};
  }
}

// Random whole blocks for `rows` x `columns`: any quants, scales of either sign between about
// 2^-11 and 2^-5, float elements of the same order.
inline std::vector<std::byte> RandomTensor(TensorType type, uint32_t rows, uint32_t columns,
                                           uint32_t seed) {
  std::mt19937 random(seed);
  const TensorTypeInfo& info = Info(type);
  const size_t blocks = size_t{rows} * columns / info.block_values;
  std::vector<std::byte> bytes(blocks * info.block_bytes);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  // Exponents are set in the top bits of every float; mantissas and signs stay random.
  const auto limit = [&](std::byte* p, int top_exponent) {
    *p = static_cast<std::byte>((static_cast<int>(*p) & 0x83) | top_exponent);
  };
  for (size_t i = 0; i < blocks; ++i) {
    std::byte* block = bytes.data() + i * info.block_bytes;
    if (type == TensorType::kF32 || type == TensorType::kBF16) {
      std::byte* high = block + info.block_bytes - 1;
      *high = static_cast<std::byte>((static_cast<int>(*high) & 0x80) | 0x3d);
    } else if (type == TensorType::kF16) {
      limit(block + 1, 0x24);
    } else {
      for (const int offset : HalfOffsets(type)) {
        if (offset >= 0) limit(block + offset + 1, random() % 8 == 0 ? 0x10 : 0x20);
      }
    }
  }
  return bytes;
}

inline std::vector<float> RandomFloats(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& value : x) value = normal(random);
  return x;
}

}  // namespace quire
