// apps/bench/model_cost.h -- how many operations and bytes a model cannot do without.
//
// Counted from the tensors of the file and the shapes of the model, not from what the kernels
// happen to do: a kernel that reads something twice shows as a lower share of the ceiling.
//
// Invariants
//   C1  rows whose logits nobody asks for skip the last layer but for its keys and values.
//   C2  layers with a window attend to its tokens only.
//   C3  keys in 8 bits are multiplied by queries in 16: two products of bytes for each score's one.
#pragma once

#include <cstdint>

#include "apps/bench/bench_case.h"
#include "gguf/gguf_file.h"
#include "kernels/kv_view.h"
#include "model/model.h"

namespace quire {

class ModelCost {
 public:
  ModelCost(const GgufFile& file, const Model& model, const KvShape& kv);

  // `chunk_tokens`: rows of one pass of a prefill, which reads all weights once.
  PassCost Of(const BenchCase& bench, uint32_t chunk_tokens) const;

 private:
  struct Matrices {
    double dot_ops = 0;
    double float_ops = 0;
  };
  PassCost Prefill(const BenchCase& bench, uint32_t chunk_tokens) const;
  PassCost DecodeStep(const BenchCase& bench, uint32_t position) const;
  // Tokens that the one at `position` attends to, itself included.
  double Attended(uint32_t layer, uint32_t position) const;
  void AddAttention(double attended, PassCost& cost) const;

  const ModelConfig& config_;
  Matrices all_rows_;    // of one token, in every layer
  Matrices logit_rows_;  // of one token that wants logits, beside the above
  double weight_bytes_;
  double kv_layer_bytes_;  // of one token and layer
  bool byte_keys_;
};

}  // namespace quire
