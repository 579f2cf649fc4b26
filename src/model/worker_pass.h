// model/worker_pass.h -- one worker's way through all layers of a forward pass.
//
// Workers are cut into teams, tokens into a set for each (model/team_plan.h). A layer has two
// stretches, and five meetings at most:
//
//   set         norm, quantise (each member all tokens of the set, into its own memory)
//               query, key, value, and of each head that is complete: norm, rope, store KV
//                                                                        | all workers
//   all tokens  attention                                                | all workers
//   set         quantise
//               attention output                                         | the team
//               residual, norm, quantise
//               gate, up, activation, quantise                           | the team
//               down                                                     | the team
//               residual
//
// A worker alone in its team meets the others twice a layer. The stretches of a set from one
// attention to the next follow each other without a break, so slabs of tokens that nobody has taken
// yet can be taken over by whoever is ready first.
//
// From the attention of the last layer on, only tokens that want logits are computed: they are a
// batch of their own, with its own teams.
//
// A buffer is written between two meetings, read after the second by all whom it met, and written
// again only after a further one.
//
// Which worker does what never enters the arithmetic (law 2).
#pragma once

#include <cstdint>

#include "base/worker_pool.h"
#include "kernels/kv_view.h"
#include "model/batch_plan.h"
#include "model/forward_buffers.h"
#include "model/model.h"
#include "model/pass_clock.h"
#include "model/qkv_axis.h"
#include "model/team_plan.h"
#include "model/weights.h"

namespace quire {

// What all workers of a pass share.
struct PassContext {
  const Model& model;
  const KvView& kv;
  const BatchPlan& plan;
  ForwardBuffers& buffers;
  const ForwardPass::Stop* stop = nullptr;  // or none; worker 0 asks
  uint64_t start_ns = 0;                    // of PassClock::Now(); 0: times are not wanted
};

class WorkerPass {
 public:
  WorkerPass(const PassContext& context, const Worker& worker);

  // False if `stop` said so: on every worker alike.
  bool Run();

 private:
  // Tokens that go together, and those who take them. Token k is number first + k of the batch, or
  // of the tokens that want logits.
  struct TokenSet {
    uint32_t first;
    uint32_t count;
    const uint32_t* rows;  // of the batch, by k; null: first + k
    float* residual;       // of token 0
    WorkerSpace& shared;   // of the team's first worker
    uint32_t member;       // who I am in the team
    uint32_t members;

    uint32_t row(uint32_t k) const { return rows == nullptr ? first + k : rows[k]; }
  };
  struct Range {
    uint32_t begin;
    uint32_t end;
  };

  template <typename Body>
  void ForSlabs(const TeamPlan& plan, uint32_t stage, const Body& body);
  template <typename Body>
  void ForSets(uint32_t stage, const Body& body);
  template <typename Body>
  void ForFinalSets(const Body& body);
  void Gather(const TokenSet& set) const;
  void Meet();
  void MeetTeam(const TokenSet& set, PassPhase phase);

  void Embed(const TokenSet& set);
  void FillRopeTables() const;
  void BeforeAttention(uint32_t layer, const TokenSet& set);
  void Attend(uint32_t layer);
  void AfterAttention(uint32_t layer, const TokenSet& set);
  void Logits(const TokenSet& set);

  void Qkv(uint32_t layer, const TokenSet& set);
  void MultiplyAxis(const LayerWeights& layer, const TokenSet& set, const QkvAxis& axis,
                    Range groups);
  void CompleteUnits(uint32_t layer, const TokenSet& set, const QkvAxis& axis, Range groups);
  void StoreUnits(uint32_t layer, const TokenSet& set, Range units) const;
  void GateUp(const LayerWeights& layer, const TokenSet& set);
  void NormAndStore(const TokenSet& set, const float* norm, Activations::Kinds kinds);
  void AddBranch(const TokenSet& set, const float* post_norm);
  void MultiplyShare(const Linear& linear, const Activations& x, const TokenSet& set, float* out);

  const PassContext& context_;
  const ModelConfig& config_;
  const ModelWeights& weights_;
  const BatchPlan& plan_;
  ForwardBuffers& shared_;
  const Worker& worker_;
  WorkerSpace& own_;
  const TeamPlan teams_;
  const TeamPlan final_teams_;  // of the tokens that want logits
  PassClock clock_;
};

}  // namespace quire
