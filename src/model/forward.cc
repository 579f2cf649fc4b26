#include "model/forward.h"

#include "base/check.h"
#include "model/batch_plan.h"
#include "model/forward_buffers.h"
#include "model/worker_pass.h"

namespace quire {

struct ForwardPass::State {
  State(const Model& the_model, const KvView& the_kv, const ForwardLimits& limits,
        WorkerPool& the_pool)
      : model(the_model),
        kv(the_kv),
        pool(the_pool),
        plan(limits, the_model.config(), the_kv.num_blocks),
        buffers(the_model.config(), limits, the_pool.count()) {}

  const Model& model;
  const KvView kv;
  WorkerPool& pool;
  BatchPlan plan;
  ForwardBuffers buffers;
};

ForwardPass::ForwardPass(const Model& model, const KvView& kv, const ForwardLimits& limits,
                         WorkerPool& pool)
    : state_(std::make_unique<State>(model, kv, limits, pool)) {
  const ModelConfig& config = model.config();
  QUIRE_CHECK(kv.shape.layers == config.layers && kv.shape.kv_heads == config.kv_heads &&
                  kv.shape.head_dim == config.head_dim,
              "the KV arena has another model's shape");
}

ForwardPass::~ForwardPass() = default;

std::span<const float> ForwardPass::Run(std::span<const BatchItem> items) {
  State& state = *state_;
  const ModelConfig& config = state.model.config();
  state.plan.Fill(items);
  if (items.empty()) return {};
  if (state.plan.num_rows() > kFewTokens) {
    RowBuffers& shared = state.buffers.shared;
    shared.all.SetTokens(state.plan.num_rows(), config);
    if (state.plan.num_logits() > 0) shared.selected.SetTokens(state.plan.num_logits(), config);
  }
  const PassContext context{state.model, state.kv, state.plan, state.buffers};
  state.pool.Run([&context](const Worker& worker) { WorkerPass(context, worker).Run(); });
  return {state.buffers.logits, size_t{state.plan.num_logits()} * config.vocab_size};
}

uint64_t ForwardPass::buffer_bytes() const { return state_->buffers.bytes(); }

}  // namespace quire
