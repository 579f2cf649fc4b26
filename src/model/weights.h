// model/weights.h -- the matrices and vectors of a model as the forward pass reads them.
//
// Matrices are views of packed bytes (kernels/matmul.h) in `packed`, vectors are float32 in
// `vectors`. What an architecture does not have is a null pointer: the forward pass asks for the
// pointer, never for the architecture's name.
#pragma once

#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "gguf/gguf_file.h"
#include "kernels/matmul.h"
#include "model/huge_buffer.h"

namespace quire {

// y = matrix * x (+ bias).
struct Linear {
  PackedMatrix matrix;
  const float* bias = nullptr;  // [rows] or null
};

struct LayerWeights {
  const float* attention_norm = nullptr;       // [width]
  Linear query;                                // [query_width x width]
  Linear key;                                  // [kv_width x width]
  Linear value;                                // [kv_width x width]
  const float* query_norm = nullptr;           // [head_dim]; qwen3, gemma3
  const float* key_norm = nullptr;             // [head_dim]; qwen3, gemma3
  Linear attention_output;                     // [width x query_width]
  const float* post_attention_norm = nullptr;  // [width]; gemma3
  const float* ffn_norm = nullptr;             // [width]
  Linear gate;                                 // [ffn_width x width]
  Linear up;                                   // [ffn_width x width]
  Linear down;                                 // [width x ffn_width]
  const float* post_ffn_norm = nullptr;        // [width]; gemma3
};

struct ModelWeights {
  std::vector<LayerWeights> layers;
  const float* output_norm = nullptr;     // [width]
  Linear output;                          // [vocab_size x width]; tied: made from `embedding`
  const TensorInfo* embedding = nullptr;  // file tensor: rows are decoded when looked up

  // The image of a repack file (model/repack/repack_image.h): made in memory or mapped.
  std::variant<HugeBuffer, MappedFile> packed;
  HugeBuffer vectors;
};

}  // namespace quire
