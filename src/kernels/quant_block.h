// kernels/quant_block.h -- reads the blocks of quantised tensors as GGUF files store them.
//
// Every quantised type is brought into one form, a row of 32 columns:
//
//   value[i] = scale(i) * (q[i] - offset) +- minimum(i)        q unsigned, small
//
// so that unpacking, repacking and tests share one reading of each format. The products are exact
// in float32 (11-bit d, at most 8-bit sub-scale, at most 8-bit q), so each value is rounded once.
//
// Formats: ggml's documentation of its block types (ggml-quants / gguf constants).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "gguf/tensor_type.h"

namespace quire {

// IQ4_NL and IQ4_XS: what a nibble stands for.
inline constexpr std::array<int8_t, 16> kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                      1,    13,   25,  38,  53,  69,  89,  113};

// What is subtracted from q, or (codebook types) was added to the looked-up value.
constexpr int OffsetOf(TensorType type) {
  switch (type) {
    case TensorType::kQ4_0:
      return 8;
    case TensorType::kQ5_0:
      return 16;
    case TensorType::kQ6_K:
      return 32;
    case TensorType::kQ3_K:
      return 4;
    case TensorType::kQ8_0:
    case TensorType::kIQ4_NL:
    case TensorType::kIQ4_XS:
      return 128;
    default:
      return 0;
  }
}

// Whether blocks have minimums: added by the simple types, subtracted by the k types.
constexpr bool HasMinimum(TensorType type) {
  return type == TensorType::kQ4_1 || type == TensorType::kQ5_1 || type == TensorType::kQ2_K ||
         type == TensorType::kQ4_K || type == TensorType::kQ5_K;
}

// 32 columns of one row.
struct QuantBlock {
  std::array<uint8_t, 32> q;              // as stored in the packed planes (8 bits: plus 128)
  uint16_t d = 0;                         // f16 bits
  uint16_t m = 0;                         // f16 bits of the minimum (simple) or dmin (k)
  std::array<int16_t, 2> sub_scale = {};  // k types: of columns 0..15 and 16..31
  std::array<int16_t, 2> sub_min = {};
};

// Reads the 32 columns `index` of one block as the file has it (of 32 or 256 columns).
using QuantReader = QuantBlock (*)(const std::byte* block, uint32_t index);
QuantReader ReaderOf(TensorType type);  // a quantised type

// Reads columns [32 * index, 32 * index + 32) of a row of `type`.
QuantBlock ReadQuantBlock(TensorType type, const std::byte* row, uint32_t index);

// Its 32 values.
void DequantizeBlock(TensorType type, const QuantBlock& block, float* out);

float HalfToFloat(uint16_t half);

}  // namespace quire
