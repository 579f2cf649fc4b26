// gguf/tensor_directory.h -- which tensors one GGUF file holds, and where their bytes are.
//
// Invariants of what ParseTensorDirectory returns:
//   T1  names are non-empty UTF-8 and differ; types are among those of tensor_type.h.
//   T2  every row is made of whole blocks; no axis is 0; rows * columns does not overflow.
//   T3  data lies in the file, begins at a multiple of the alignment, and overlaps no other
//   tensor's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "gguf/byte_reader.h"
#include "gguf/tensor_type.h"

namespace quire {

struct TensorInfo {
  std::string name;
  TensorType type;
  std::array<uint64_t, 4> shape;    // GGUF order: shape[0] is the contiguous axis (columns)
  std::span<const std::byte> data;  // whole blocks, row after row

  uint64_t columns() const { return shape[0]; }
  uint64_t rows() const { return shape[1] * shape[2] * shape[3]; }
};

// Reads `count` entries; tensor data begins at the next multiple of `alignment`, a power of two.
// `reader` reads `file` from its first byte. kCorrupt, or kUnsupported for another tensor type,
// names the offset and the tensor.
Result<std::vector<TensorInfo>> ParseTensorDirectory(ByteReader& reader, uint64_t count,
                                                     uint64_t alignment,
                                                     std::span<const std::byte> file);

}  // namespace quire
