// plan/capacity/shape_json.h -- the sizes of a model that one does not have, from a small JSON.
//
//   {"name": "Llama 3.1 8B", "layers": 32, "width": 4096, "ffn_width": 14336, "query_heads": 32,
//    "kv_heads": 8, "vocabulary": 128256, "context": 131072, "weights": "Q4_K"}
//
//   kv_heads      default query_heads             head_dim   default width / query_heads
//   weights       type of all matrices, default Q4_K; output: of the last one, default Q6_K
//   tied          the last matrix is the embedding, default false; embedding: its type
//   window        tokens, default 0: none         windowed_layers  default all where there is one
//   architecture  llama, qwen2, qwen3, gemma3; default llama
//
// A config.json as models are published with (hidden_size, num_hidden_layers, ...) does as well;
// what it says beside that is passed over, and its architecture taken from model_type where that is
// one of ours.
//
// Errors  kInvalidArgument naming the field, what it is and what it should be: also of fields that
//         are not known, of types whose blocks do not divide a row, and of mixtures of experts.
#pragma once

#include <string_view>

#include "base/result.h"
#include "plan/capacity/model_shape.h"

namespace quire {

Result<ModelShape> ParseModelShape(std::string_view json);

}  // namespace quire
