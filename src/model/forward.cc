#include "model/forward.h"

#include "base/check.h"
#include "model/batch_plan.h"
#include "model/forward_buffers.h"
#include "model/pass_clock.h"
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

  bool Run(std::span<const BatchItem> items, const Stop* stop);
  void NoteTimes(uint64_t start_ns);
  std::span<const float> logits() const {
    return {buffers.logits, size_t{plan.num_logits()} * model.config().vocab_size};
  }

  const Model& model;
  const KvView kv;
  WorkerPool& pool;
  BatchPlan plan;
  ForwardBuffers buffers;
  PassTimes times;
  bool measuring = false;
};

bool ForwardPass::State::Run(std::span<const BatchItem> items, const Stop* stop) {
  const uint64_t start_ns = measuring ? PassClock::Now() : 0;
  plan.Fill(items);
  if (items.empty()) return true;
  buffers.leave = false;
  for (std::atomic<uint32_t>& taken : buffers.slabs_taken) {
    taken.store(0, std::memory_order_relaxed);
  }
  const PassContext context{model, kv, plan, buffers, stop, start_ns};
  bool finished = false;
  pool.Run([&](const Worker& worker) {
    const bool mine = WorkerPass(context, worker).Run();
    if (worker.index() == 0) finished = mine;
  });
  if (measuring) NoteTimes(start_ns);
  return finished;
}

// What a worker did not measure it waited at the end.
void ForwardPass::State::NoteTimes(uint64_t start_ns) {
  const uint64_t end_ns = PassClock::Now();
  ++times.passes;
  times.rows += plan.num_rows();
  times.barriers += buffers.times[0].barriers;
  times.wall_ns += end_ns - start_ns;
  for (const WorkerTimes& worker : buffers.times) {
    for (size_t phase = 0; phase < kPassPhases; ++phase) times.ns[phase] += worker.ns[phase];
    times.ns[static_cast<size_t>(PassPhase::kWait)] += end_ns - worker.end_ns;
  }
}

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
  state_->Run(items, nullptr);
  return state_->logits();
}

std::optional<std::span<const float>> ForwardPass::RunUnless(const Stop& stop,
                                                             std::span<const BatchItem> items) {
  if (!state_->Run(items, &stop)) return std::nullopt;
  return state_->logits();
}

void ForwardPass::MeasureTimes(bool on) {
  if (on) state_->times = {};
  state_->measuring = on;
}

const PassTimes& ForwardPass::times() const { return state_->times; }

uint64_t ForwardPass::buffer_bytes() const { return state_->buffers.bytes(); }

}  // namespace quire
