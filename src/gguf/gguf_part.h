// gguf/gguf_part.h -- one GGUF file: a whole model, or one part of a model split over several.
//
//   "GGUF" | version u32 | tensors u64 | pairs u64 | metadata | tensor directory | pad | tensor
//   data
//
// A split model is files named `stem-00001-of-000NN.gguf` ... `stem-000NN-of-000NN.gguf`. Each says
// in its metadata which part it is (split.no, from 0) of how many (split.count); the first holds
// the model's metadata.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/metadata.h"
#include "gguf/tensor_directory.h"

namespace quire {

struct GgufPart {
  Metadata metadata;
  std::vector<TensorInfo> tensors;
  uint32_t split_no = 0;
  uint32_t split_count = 1;
};

// Spans and views of the part point into `bytes`, which the caller keeps alive. kCorrupt names the
// offset; kUnsupported names the version, byte order or tensor type that Quire does not read.
Result<GgufPart> ParseGgufPart(std::span<const std::byte> bytes);

// The path of part `index` (from 0) of `count`, given the path of the first part; kCorrupt when
// that name does not have the form above.
Result<std::string> SiblingPath(std::string_view first_path, uint32_t index, uint32_t count);

}  // namespace quire
