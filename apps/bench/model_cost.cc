#include "apps/bench/model_cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "kernels/matmul.h"

namespace quire {
namespace {

// Of the last layer, only these are computed for every token (C1).
bool FillsKv(std::string_view name, std::string_view last_layer) {
  if (!name.starts_with(last_layer)) return true;
  name.remove_prefix(last_layer.size());
  return name == "attn_k.weight" || name == "attn_v.weight" || name == "attn_q.weight";
}

}  // namespace

ModelCost::ModelCost(const GgufFile& file, const Model& model, const KvShape& kv)
    : config_(model.config()),
      weight_bytes_(static_cast<double>(model.weight_bytes())),
      kv_layer_bytes_(static_cast<double>(kv.block_layer_bytes()) / kBlockTokens),
      byte_keys_(kv.format == KvFormat::kQ8) {
  const std::string last_layer = fmt::format("blk.{}.", config_.layers - 1);
  const bool tied = file.FindTensor("output.weight") == nullptr;
  for (const TensorInfo& tensor : file.tensors()) {
    const bool layer = tensor.name.starts_with("blk.");
    const bool output = tensor.name == (tied ? "token_embd.weight" : "output.weight");
    if (tensor.rows() == 1 || !(layer || output)) continue;
    Matrices& matrices = layer && FillsKv(tensor.name, last_layer) ? all_rows_ : logit_rows_;
    const double ops =
        2.0 * static_cast<double>(tensor.rows()) * static_cast<double>(tensor.columns());
    const bool int8 = ActivationKindOf(tensor.type) == ActivationKind::kInt8;
    (int8 ? matrices.dot_ops : matrices.float_ops) += ops;
  }
}

PassCost ModelCost::Of(const BenchCase& bench, uint32_t chunk_tokens) const {
  if (bench.prefill()) return Prefill(bench, chunk_tokens);
  PassCost sum;
  for (uint32_t i = 0; i < bench.tokens; ++i) {
    const PassCost step = DecodeStep(bench, bench.depth + i);
    sum.dot_ops += step.dot_ops;
    sum.float_ops += step.float_ops;
    sum.attention_ops += step.attention_ops;
    sum.score_dot_ops += step.score_dot_ops;
    sum.weight_bytes += step.weight_bytes;
    sum.kv_bytes += step.kv_bytes;
  }
  return sum;
}

PassCost ModelCost::Prefill(const BenchCase& bench, uint32_t chunk_tokens) const {
  PassCost cost;
  const double tokens = bench.tokens;
  cost.dot_ops = all_rows_.dot_ops * tokens + logit_rows_.dot_ops;
  cost.float_ops = all_rows_.float_ops * tokens + logit_rows_.float_ops;
  const uint32_t chunks = (bench.tokens + chunk_tokens - 1) / chunk_tokens;
  cost.weight_bytes = weight_bytes_ * chunks;
  for (uint32_t layer = 0; layer < config_.layers; ++layer) {
    const bool last = layer + 1 == config_.layers;
    double attended = 0;
    for (uint32_t i = last ? bench.tokens - 1 : 0; i < bench.tokens; ++i) {
      attended += Attended(layer, i);
    }
    AddAttention(attended, cost);
    for (uint32_t end = std::min(chunk_tokens, bench.tokens); end <= bench.tokens;
         end = end == bench.tokens ? end + 1 : std::min(end + chunk_tokens, bench.tokens)) {
      cost.kv_bytes += Attended(layer, end - 1) * kv_layer_bytes_;
    }
  }
  return cost;
}

PassCost ModelCost::DecodeStep(const BenchCase& bench, uint32_t position) const {
  PassCost cost;
  const double clients = bench.clients;
  cost.dot_ops = (all_rows_.dot_ops + logit_rows_.dot_ops) * clients;
  cost.float_ops = (all_rows_.float_ops + logit_rows_.float_ops) * clients;
  cost.weight_bytes = weight_bytes_;
  for (uint32_t layer = 0; layer < config_.layers; ++layer) {
    const double attended = Attended(layer, position);
    const double first = position + 1 - attended;
    const double shared = std::max(0.0, bench.shared_prefix - first);
    AddAttention(attended * clients, cost);
    cost.kv_bytes += (shared + (attended - shared) * clients) * kv_layer_bytes_;
  }
  return cost;
}

double ModelCost::Attended(uint32_t layer, uint32_t position) const {
  const uint32_t window = config_.window_of(layer);
  const uint32_t all = position + 1;
  return window == 0 ? all : std::min(all, window);
}

// A product and an addition for the score and for the weighted sum, each.
void ModelCost::AddAttention(double attended, PassCost& cost) const {
  const double ops = 2.0 * config_.query_width() * attended;
  cost.attention_ops += byte_keys_ ? ops : 2 * ops;
  if (byte_keys_) cost.score_dot_ops += 2 * ops;  // C3
}

}  // namespace quire
