// model/weight_plan.h -- which tensors a model needs, where each goes, and whether the file has
// them.
//
// A plan is made before any memory is taken: every tensor's presence, type and shape is checked,
// and the sum of the packed bytes is known. Model::Load then carries it out.
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
  size_t offset = 0;               // into ModelWeights::memory; a multiple of 64
  PackedMatrix* matrix = nullptr;  // what will view the bytes: exactly one of the two
  const float** vector = nullptr;
  TensorType packed_type = TensorType::kF32;
};

struct WeightPlan {
  std::vector<WeightPlace> places;
  size_t bytes = 0;
};

// Fills the shape of `weights` (layers, embedding) and plans every tensor. The plan points into
// `weights`, which must stay where it is. Errors name the tensor.
Result<WeightPlan> PlanWeights(const GgufFile& file, const ModelConfig& config, Precision precision,
                               ModelWeights& weights);

}  // namespace quire
