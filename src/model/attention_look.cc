#include "model/attention_look.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/worker_pool.h"
#include "model/batch_plan.h"
#include "model/forward_buffers.h"
#include "model/huge_buffer.h"
#include "model/worker_pass.h"

namespace quire {
namespace {

constexpr uint32_t kBlocks = kMostLookedAt / kBlockTokens;
constexpr ForwardLimits kLimits{
    .max_tokens = kMostLookedAt, .max_logit_rows = 1, .max_context = kMostLookedAt};

// One key of one head lies apart by kBlockTokens: see kernels/kv_view.h.
double Score(const float* query, const float* key, uint32_t head_dim) {
  double sum = 0;
  for (uint32_t d = 0; d < head_dim; ++d) {
    sum += double{query[d]} * double{key[size_t{d} * kBlockTokens]};
  }
  return sum;
}

void Softmax(std::span<double> scores, float* out) {
  const double most = *std::ranges::max_element(scores);
  double sum = 0;
  for (double& score : scores) sum += (score = std::exp(score - most));
  for (const double score : scores) *out++ = static_cast<float>(score / sum);
}

}  // namespace

struct AttentionLook::State {
  State(const Model& the_model, HugeBuffer the_arena)
      : model(the_model),
        config(the_model.config()),
        arena(std::move(the_arena)),
        kv{.base = arena.data(),
           .shape = the_model.kv_shape(KvFormat::kF32),
           .num_blocks = kBlocks},
        table(kBlocks),
        plan(kLimits, config, kBlocks),
        buffers(config, kLimits, 1) {
    std::iota(table.begin(), table.end(), 0);
  }

  std::vector<float> Weights(uint32_t layer, uint32_t tokens) const;

  const Model& model;
  const ModelConfig& config;
  HugeBuffer arena;
  KvView kv;
  std::vector<uint32_t> table;
  WorkerPool pool{1};
  BatchPlan plan;
  ForwardBuffers buffers;
};

std::vector<float> AttentionLook::State::Weights(uint32_t layer, uint32_t tokens) const {
  std::vector<float> weights(size_t{config.query_heads} * tokens * tokens);
  const uint32_t group = config.query_heads / config.kv_heads;
  const uint32_t window = config.window_of(layer) == 0 ? tokens : config.window_of(layer);
  std::vector<double> scores;
  for (uint32_t head = 0; head < config.query_heads; ++head) {
    for (uint32_t row = 0; row < tokens; ++row) {
      const float* query =
          buffers.query + size_t{row} * config.query_width() + size_t{head} * config.head_dim;
      const uint32_t first = row + 1 - std::min(row + 1, window);
      scores.clear();
      for (uint32_t seen = first; seen <= row; ++seen) {
        const auto* keys = reinterpret_cast<const float*>(
            kv.keys(layer, table[seen / kBlockTokens], head / group));
        scores.push_back(Score(query, keys + seen % kBlockTokens, config.head_dim) *
                         double{config.attention_scale});
      }
      Softmax(scores, &weights[(size_t{head} * tokens + row) * tokens + first]);
    }
  }
  return weights;
}

AttentionLook::AttentionLook(std::unique_ptr<State> state) : state_(std::move(state)) {}
AttentionLook::~AttentionLook() = default;

Result<std::unique_ptr<AttentionLook>> AttentionLook::Make(const Model& model) {
  QUIRE_TRY(HugeBuffer arena,
            HugeBuffer::Allocate(model.kv_shape(KvFormat::kF32).block_bytes() * kBlocks));
  return std::unique_ptr<AttentionLook>(
      new AttentionLook(std::make_unique<State>(model, std::move(arena))));
}

std::vector<float> AttentionLook::At(std::span<const TokenId> tokens, uint32_t layer,
                                     const InVain& in_vain) {
  State& state = *state_;
  QUIRE_CHECK(!tokens.empty() && tokens.size() <= kMostLookedAt && layer < state.config.layers);
  const auto count = static_cast<uint32_t>(tokens.size());
  const BatchItem item{
      .tokens = tokens, .first_position = 0, .table = state.table, .num_logit_rows = 1};
  state.plan.Fill({&item, 1});
  state.buffers.leave = false;
  for (std::atomic<uint32_t>& taken : state.buffers.slabs_taken) {
    taken.store(0, std::memory_order_relaxed);
  }
  std::vector<float> weights;
  // Asked once a layer, when its queries and keys are there: with one worker, all of them.
  const ForwardPass::Stop stop = [&](uint32_t reached) {
    if (in_vain && in_vain()) return true;
    if (reached < layer) return false;
    weights = state.Weights(layer, count);
    return true;
  };
  const PassContext context{state.model, state.kv, state.plan, state.buffers, &stop};
  state.pool.Run([&](const Worker& worker) { WorkerPass(context, worker).Run(); });
  return weights;
}

}  // namespace quire
