// model/weight_plan.h -- which tensors a model needs, where each goes, and whether the file has
// them.
//
// A plan is made before any memory is taken: every tensor's presence, type and shape is checked,
// and the sum of the packed bytes is known. WeightLoader then carries it out.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "gguf/gguf_file.h"
#include "model/config.h"
#include "model/model.h"
#include "model/weights.h"

namespace quire {

// One tensor to be repacked (a matrix) or decoded to float32 (a vector).
struct WeightPlace {
  const TensorInfo* tensor = nullptr;
  size_t offset = 0;               // into the data of `packed`, or into `vectors`; 64-aligned
  PackedMatrix* matrix = nullptr;  // what will view the bytes: exactly one of the two
  const float** vector = nullptr;
  TensorType packed_type = TensorType::kF32;
};

struct WeightPlan {
  std::vector<WeightPlace> matrices;
  std::vector<WeightPlace> vectors;
  size_t matrix_bytes = 0;
  size_t vector_bytes = 0;

  // Of the matrices' names, types, shapes and places: equal hashes, equal packed data (of one model
  // and layout).
  uint64_t Hash() const;
};

// Fills the shape of `weights` (layers, embedding) and plans every tensor. The plan points into
// `weights`, which must stay where it is. Errors name the tensor.
Result<WeightPlan> PlanWeights(const GgufFile& file, const ModelConfig& config, Precision precision,
                               ModelWeights& weights);

}  // namespace quire
