#include "model/weight_plan.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <optional>
#include <string>

namespace quire {
namespace {

enum class Need : uint8_t { kRequired, kOptional };

// Collects places, keeping the first error: callers list tensors without checking each.
class Planner {
 public:
  Planner(const GgufFile& file, Precision precision) : file_(file), precision_(precision) {}

  void Matrix(const std::string& name, uint32_t rows, uint32_t columns, Linear& linear) {
    const TensorInfo* tensor = Find(name + ".weight", {rows, columns}, Need::kRequired);
    if (tensor != nullptr) PlaceMatrix(*tensor, linear.matrix);
    Vector(name + ".bias", rows, linear.bias, Need::kOptional);
  }

  void PlaceMatrix(const TensorInfo& tensor, PackedMatrix& matrix) {
    const TensorType type = precision_ == Precision::kFloat32 ? TensorType::kF32 : tensor.type;
    matrix = {.type = type,
              .rows = static_cast<uint32_t>(tensor.rows()),
              .columns = static_cast<uint32_t>(tensor.columns())};
    plan_.matrices.push_back(
        {.tensor = &tensor, .offset = plan_.matrix_bytes, .matrix = &matrix, .packed_type = type});
    plan_.matrix_bytes += Aligned(PackedBytes(type, matrix.rows, matrix.columns));
  }

  void Vector(const std::string& name, uint32_t size, const float*& vector, Need need) {
    const TensorInfo* tensor = Find(name, {1, size}, need);
    if (tensor == nullptr) return;
    plan_.vectors.push_back({.tensor = tensor, .offset = plan_.vector_bytes, .vector = &vector});
    plan_.vector_bytes += Aligned(size_t{size} * sizeof(float));
  }

  Result<WeightPlan> Finish() {
    if (error_) return std::unexpected(std::move(*error_));
    return std::move(plan_);
  }

 private:
  struct Shape {
    uint32_t rows;
    uint32_t columns;
  };

  static size_t Aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

  const TensorInfo* Find(const std::string& name, Shape shape, Need need) {
    const TensorInfo* tensor = file_.FindTensor(name);
    if (tensor == nullptr) {
      if (need == Need::kRequired) Fail(fmt::format("tensor '{}' is missing", name));
      return nullptr;
    }
    if (tensor->rows() != shape.rows || tensor->columns() != shape.columns) {
      Fail(fmt::format("tensor '{}' has {} rows of {} values; {} rows of {} are expected", name,
                       tensor->rows(), tensor->columns(), shape.rows, shape.columns));
      return nullptr;
    }
    return tensor;
  }

  void Fail(std::string message) {
    if (!error_) error_ = Error{ErrorCode::kCorrupt, std::move(message), {}};
  }

  const GgufFile& file_;
  const Precision precision_;
  WeightPlan plan_;
  std::optional<Error> error_;
};

void PlanLayer(const ModelConfig& config, uint32_t index, Planner& planner, LayerWeights& layer) {
  const std::string prefix = fmt::format("blk.{}.", index);
  const uint32_t width = config.width;
  planner.Vector(prefix + "attn_norm.weight", width, layer.attention_norm, Need::kRequired);
  planner.Matrix(prefix + "attn_q", config.query_width(), width, layer.query);
  planner.Matrix(prefix + "attn_k", config.kv_width(), width, layer.key);
  planner.Matrix(prefix + "attn_v", config.kv_width(), width, layer.value);
  planner.Matrix(prefix + "attn_output", width, config.query_width(), layer.attention_output);
  planner.Vector(prefix + "ffn_norm.weight", width, layer.ffn_norm, Need::kRequired);
  planner.Matrix(prefix + "ffn_gate", config.ffn_width, width, layer.gate);
  planner.Matrix(prefix + "ffn_up", config.ffn_width, width, layer.up);
  planner.Matrix(prefix + "ffn_down", width, config.ffn_width, layer.down);
  const bool gemma = config.architecture == Architecture::kGemma3;
  if (gemma || config.architecture == Architecture::kQwen3) {
    planner.Vector(prefix + "attn_q_norm.weight", config.head_dim, layer.query_norm,
                   Need::kRequired);
    planner.Vector(prefix + "attn_k_norm.weight", config.head_dim, layer.key_norm, Need::kRequired);
  }
  if (gemma) {
    planner.Vector(prefix + "post_attention_norm.weight", width, layer.post_attention_norm,
                   Need::kRequired);
    planner.Vector(prefix + "post_ffw_norm.weight", width, layer.post_ffn_norm, Need::kRequired);
  }
}

}  // namespace

uint64_t WeightPlan::Hash() const {
  std::string text;
  for (const WeightPlace& place : matrices) {
    text += fmt::format("{} {} {} {} {}\n", place.tensor->name,
                        static_cast<uint32_t>(place.packed_type), place.matrix->rows,
                        place.matrix->columns, place.offset);
  }
  return XXH3_64bits(text.data(), text.size());
}

Result<WeightPlan> PlanWeights(const GgufFile& file, const ModelConfig& config, Precision precision,
                               ModelWeights& weights) {
  Planner planner(file, precision);
  weights.embedding = file.FindTensor("token_embd.weight");  // ReadModelConfig has checked it
  weights.layers.resize(config.layers);
  for (uint32_t i = 0; i < config.layers; ++i) PlanLayer(config, i, planner, weights.layers[i]);
  planner.Vector("output_norm.weight", config.width, weights.output_norm, Need::kRequired);
  if (file.FindTensor("output.weight") != nullptr) {
    planner.Matrix("output", config.vocab_size, config.width, weights.output);
  } else {
    planner.PlaceMatrix(*weights.embedding, weights.output.matrix);
  }
  return planner.Finish();
}

}  // namespace quire
