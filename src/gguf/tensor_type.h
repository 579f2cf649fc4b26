// gguf/tensor_type.h -- how the numbers of a tensor are stored in a GGUF file.
//
// The numeric values are those of the file format (ggml's type ids). Every type stores whole blocks
// of values; rows are made of whole blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace quire {

enum class TensorType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30,
};

struct TensorTypeInfo {
  TensorType type;
  std::string_view name;  // as people write it: "Q4_K"
  uint32_t block_values;  // values per block
  uint32_t block_bytes;   // bytes per block
};

// The facts of a type that Quire reads; nullptr for any other id.
const TensorTypeInfo* FindTensorType(uint32_t id);
const TensorTypeInfo& Info(TensorType type);

// The name of any type id ggml has defined, also of those Quire refuses; "type 99" beyond.
std::string TensorTypeName(uint32_t id);

}  // namespace quire
