#include "model/worker_pass.h"

#include <algorithm>

#include "kernels/attention.h"
#include "kernels/ops.h"

namespace quire {
namespace {

uint32_t GroupsOf(const PackedMatrix& matrix) { return (matrix.rows + kRowGroup - 1) / kRowGroup; }

// The forms in which the readers of an activation want it.
Activations::Kinds KindsFor(std::initializer_list<const Linear*> readers) {
  Activations::Kinds kinds{.int8 = false, .f32 = false};
  for (const Linear* reader : readers) {
    const bool int8 = ActivationKindOf(reader->matrix.type) == ActivationKind::kInt8;
    (int8 ? kinds.int8 : kinds.f32) = true;
  }
  return kinds;
}

void NormHeads(const float* weight, const ModelConfig& config, uint32_t heads, float* x) {
  if (weight == nullptr) return;
  for (uint32_t head = 0; head < heads; ++head, x += config.head_dim) {
    RmsNorm(x, weight, config.norm_epsilon, config.head_dim, x);
  }
}

}  // namespace

WorkerPass::WorkerPass(const PassContext& context, const Worker& worker)
    : context_(context),
      config_(context.model.config()),
      weights_(context.model.weights()),
      plan_(context.plan),
      shared_(context.buffers),
      worker_(worker),
      few_(plan_.num_rows() <= kFewTokens),
      rows_(few_ ? *shared_.own[worker.index()] : shared_.shared),
      scratch_(shared_.scratch + worker.index() * shared_.scratch_stride) {
  if (!few_) return;  // the shared ones were set by ForwardPass::Run
  rows_.all.SetTokens(plan_.num_rows(), config_);
  if (plan_.num_logits() > 0) rows_.selected.SetTokens(plan_.num_logits(), config_);
}

template <typename Body>
void WorkerPass::ForRows(uint32_t count, const Body& body) const {
  const Worker::Range range = few_ ? Worker::Range{0, count} : worker_.Share(count);
  for (uint32_t k = range.begin; k < range.end; ++k) body(k);
}

void WorkerPass::EndRowPhase() const {
  if (!few_) worker_.Barrier();
}

float* WorkerPass::residual(uint32_t row) const {
  return rows_.residual + size_t{row} * config_.width;
}

WorkerPass::Tokens WorkerPass::TokensOf(uint32_t layer) const {
  if (layer + 1 < config_.layers) return {plan_.num_rows(), nullptr, rows_.all};
  return {plan_.num_logits(), plan_.logit_rows().data(), rows_.selected};
}

void WorkerPass::Run() {
  Embed();
  FillRopeTables();
  for (uint32_t i = 0; i < config_.layers; ++i) {
    const LayerWeights& layer = weights_.layers[i];
    Qkv(layer);
    StoreHeads(i);
    const Tokens tokens = TokensOf(i);
    if (tokens.count == 0) return;  // the last layer of a pass that only fills the KV
    Attend(i);
    ProjectAttention(layer, tokens);
    FeedForward(layer, tokens);
  }
  Logits();
}

void WorkerPass::Embed() const {
  const TensorInfo& table = *weights_.embedding;
  const size_t row_bytes = table.data.size() / config_.vocab_size;
  ForRows(plan_.num_rows(), [&](uint32_t row) {
    const size_t token = static_cast<size_t>(plan_.rows()[row].token);
    DequantizeRow(table.type, table.data.subspan(token * row_bytes, row_bytes),
                  {residual(row), config_.width});
    if (config_.embedding_scale != 1) Scale(residual(row), config_.embedding_scale, config_.width);
  });
}

// Shared by rows also for few tokens: the worker that fills a table is the one that reads it.
void WorkerPass::FillRopeTables() const {
  const auto [begin, end] = worker_.Share(plan_.num_rows());
  const RopeConfig& global = config_.rope;
  const RopeConfig& local = config_.local_rope;
  for (uint32_t row = begin; row < end; ++row) {
    const uint32_t position = plan_.rows()[row].position;
    FillRopeTable(position, global.inverse_frequency, global.magnitude,
                  shared_.rope + size_t{row} * global.dims);
    if (config_.window == 0) continue;
    FillRopeTable(position, local.inverse_frequency, local.magnitude,
                  shared_.local_rope + size_t{row} * local.dims);
  }
}

void WorkerPass::Qkv(const LayerWeights& layer) const {
  const auto kinds = KindsFor({&layer.query, &layer.key, &layer.value});
  ForRows(plan_.num_rows(), [&](uint32_t row) {
    RmsNorm(residual(row), layer.attention_norm, config_.norm_epsilon, config_.width, scratch_);
    rows_.all.width.StoreRow(row, scratch_, kinds);
  });
  EndRowPhase();
  Multiply(rows_.all.width,
           {{layer.query, shared_.query}, {layer.key, shared_.key}, {layer.value, shared_.value}});
  worker_.Barrier();
}

void WorkerPass::StoreHeads(uint32_t layer) const {
  const LayerWeights& weights = weights_.layers[layer];
  const RopeConfig& rope = config_.rope_of(layer);
  const float* tables = config_.windowed[layer] ? shared_.local_rope : shared_.rope;
  const auto [begin, end] = worker_.Share(plan_.num_rows());
  for (uint32_t row = begin; row < end; ++row) {
    float* query = shared_.query + size_t{row} * config_.query_width();
    float* key = shared_.key + size_t{row} * config_.kv_width();
    const float* value = shared_.value + size_t{row} * config_.kv_width();
    const RopeTable table{tables + size_t{row} * rope.dims, rope.dims};
    NormHeads(weights.query_norm, config_, config_.query_heads, query);
    NormHeads(weights.key_norm, config_, config_.kv_heads, key);
    ApplyRope(rope.kind, table, config_.query_heads, config_.head_dim, query);
    ApplyRope(rope.kind, table, config_.kv_heads, config_.head_dim, key);
    const BatchRow& place = plan_.rows()[row];
    StoreKv(context_.kv, layer, place.block, place.position % kBlockTokens, key, value);
  }
  worker_.Barrier();
}

void WorkerPass::Attend(uint32_t layer) const {
  const AttentionShape shape{
      .layer = layer, .query_heads = config_.query_heads, .scale = config_.attention_scale};
  Attention(worker_, context_.kv, shape, plan_.attention(layer), shared_.query, shared_.attended,
            shared_.attention);
  worker_.Barrier();
}

void WorkerPass::ProjectAttention(const LayerWeights& layer, const Tokens& tokens) const {
  const auto kinds = KindsFor({&layer.attention_output});
  Activations& x = tokens.activations.heads;
  ForRows(tokens.count, [&](uint32_t k) {
    x.StoreRow(k, shared_.attended + size_t{tokens.row(k)} * config_.query_width(), kinds);
  });
  EndRowPhase();
  Multiply(x, {{layer.attention_output, shared_.branch}});
  worker_.Barrier();
  ForRows(tokens.count,
          [&](uint32_t k) { AddBranch(k, tokens.row(k), layer.post_attention_norm); });
}

void WorkerPass::FeedForward(const LayerWeights& layer, const Tokens& tokens) const {
  const uint32_t ffn_width = config_.ffn_width;
  const auto in_kinds = KindsFor({&layer.gate, &layer.up});
  ForRows(tokens.count, [&](uint32_t k) {
    RmsNorm(residual(tokens.row(k)), layer.ffn_norm, config_.norm_epsilon, config_.width, scratch_);
    tokens.activations.width.StoreRow(k, scratch_, in_kinds);
  });
  EndRowPhase();
  Multiply(tokens.activations.width, {{layer.gate, shared_.gate}, {layer.up, shared_.up}});
  worker_.Barrier();

  const auto out_kinds = KindsFor({&layer.down});
  ForRows(tokens.count, [&](uint32_t k) {
    GatedActivation(config_.gate, shared_.gate + size_t{k} * ffn_width,
                    shared_.up + size_t{k} * ffn_width, ffn_width, scratch_);
    tokens.activations.ffn.StoreRow(k, scratch_, out_kinds);
  });
  EndRowPhase();
  Multiply(tokens.activations.ffn, {{layer.down, shared_.branch}});
  worker_.Barrier();
  ForRows(tokens.count, [&](uint32_t k) { AddBranch(k, tokens.row(k), layer.post_ffn_norm); });
}

// residual[row] += branch[k], normalised and scaled where the family does so.
void WorkerPass::AddBranch(uint32_t k, uint32_t row, const float* post_norm) const {
  const uint32_t width = config_.width;
  const float* branch = shared_.branch + size_t{k} * width;
  if (post_norm != nullptr) {
    RmsNorm(branch, post_norm, config_.norm_epsilon, width, scratch_);
    branch = scratch_;
  }
  if (config_.residual_scale != 1) {
    if (branch != scratch_) std::copy_n(branch, width, scratch_);
    Scale(scratch_, config_.residual_scale, width);
    branch = scratch_;
  }
  Add(branch, width, residual(row));
}

void WorkerPass::Logits() const {
  const auto kinds = KindsFor({&weights_.output});
  Activations& x = rows_.selected.width;
  ForRows(plan_.num_logits(), [&](uint32_t k) {
    RmsNorm(residual(plan_.logit_rows()[k]), weights_.output_norm, config_.norm_epsilon,
            config_.width, scratch_);
    x.StoreRow(k, scratch_, kinds);
  });
  EndRowPhase();
  Multiply(x, {{weights_.output, shared_.logits}});
  if (config_.logit_scale == 1) return;
  const auto [begin, end] = worker_.Share(GroupsOf(weights_.output.matrix));
  const uint32_t first = begin * kRowGroup;
  const uint32_t last = std::min(end * kRowGroup, config_.vocab_size);
  for (uint32_t k = 0; k < plan_.num_logits(); ++k) {
    float* logits = shared_.logits + size_t{k} * config_.vocab_size;
    for (uint32_t i = first; i < last; ++i) logits[i] *= config_.logit_scale;
  }
}

// The rows of all matrices are laid end to end and shared evenly.
void WorkerPass::Multiply(const Activations& x, std::initializer_list<Product> products) const {
  uint32_t groups = 0;
  for (const Product& product : products) groups += GroupsOf(product.linear.matrix);
  const auto [begin, end] = worker_.Share(groups);
  uint32_t first = 0;  // group at which the product starts
  for (const Product& product : products) {
    const uint32_t count = GroupsOf(product.linear.matrix);
    const uint32_t from = std::clamp(begin, first, first + count) - first;
    const uint32_t to = std::clamp(end, first, first + count) - first;
    if (from < to) MultiplyRows(x, product, {from, to});
    first += count;
  }
}

void WorkerPass::MultiplyRows(const Activations& x, const Product& product,
                              Worker::Range groups) const {
  const PackedMatrix& matrix = product.linear.matrix;
  const uint32_t first = groups.begin * kRowGroup;
  const uint32_t end = std::min(groups.end * kRowGroup, matrix.rows);
  const MatMulOut out{
      .data = product.out, .stride = matrix.rows, .bias = product.linear.bias, .accumulate = false};
  MatMul(matrix, x, out, first, end);
}

}  // namespace quire
