// model/worker_pass.h -- one worker's way through all layers of a forward pass.
//
// A layer alternates two kinds of phases. In a *row phase* (norm, residual, activation) a worker
// takes whole tokens; in a *product phase* it takes output rows of the matrices, for all tokens.
// Every phase reads what the one before wrote, so a barrier lies between them, with one exception:
// with few tokens (kFewTokens) each worker does the row phases of all tokens, into its own buffers.
//
//   row      residual of the layer before, norm, quantise        | barrier unless few tokens
//   product  query, key, value                                   | barrier
//   row      head norms, rope, store KV (always shared)          | barrier
//            attention                                           | barrier
//   row      quantise                                            | barrier unless few tokens
//   product  attention output                                    | barrier
//   row      residual, norm, quantise                            | barrier unless few tokens
//   product  gate, up                                            | barrier
//   row      gated activation, quantise                          | barrier unless few tokens
//   product  down                                                | barrier
//
// From the attention of the last layer on, only tokens that want logits are computed.
//
// A token's residual stream is touched by row phases alone: by one worker at a time, or by each in
// its own copy. Every other buffer is written in one phase, read in the next, and written again
// only after a further barrier.
//
// Which worker does what never enters the arithmetic (law 2).
#pragma once

#include <cstdint>
#include <initializer_list>

#include "base/worker_pool.h"
#include "kernels/kv_view.h"
#include "model/batch_plan.h"
#include "model/forward_buffers.h"
#include "model/model.h"
#include "model/weights.h"

namespace quire {

// What all workers of a pass share.
struct PassContext {
  const Model& model;
  const KvView& kv;
  const BatchPlan& plan;
  ForwardBuffers& buffers;
};

class WorkerPass {
 public:
  WorkerPass(const PassContext& context, const Worker& worker);

  void Run();

 private:
  // The tokens that the rest of a layer is computed for.
  struct Tokens {
    uint32_t count;
    const uint32_t* rows;  // of the k-th; null: it is row k
    ActivationSet& activations;

    uint32_t row(uint32_t k) const { return rows == nullptr ? k : rows[k]; }
  };
  struct Product {
    const Linear& linear;
    float* out;  // [token][rows of the matrix]
  };

  template <typename Body>
  void ForRows(uint32_t count, const Body& body) const;
  void EndRowPhase() const;
  float* residual(uint32_t row) const;
  Tokens TokensOf(uint32_t layer) const;

  void Embed() const;
  void FillRopeTables() const;
  void Qkv(const LayerWeights& layer) const;
  void StoreHeads(uint32_t layer) const;
  void Attend(uint32_t layer) const;
  void ProjectAttention(const LayerWeights& layer, const Tokens& tokens) const;
  void FeedForward(const LayerWeights& layer, const Tokens& tokens) const;
  void Logits() const;

  void Multiply(const Activations& x, std::initializer_list<Product> products) const;
  void MultiplyRows(const Activations& x, const Product& product, Worker::Range groups) const;
  void AddBranch(uint32_t k, uint32_t row, const float* post_norm) const;

  const PassContext& context_;
  const ModelConfig& config_;
  const ModelWeights& weights_;
  const BatchPlan& plan_;
  ForwardBuffers& shared_;
  const Worker& worker_;
  const bool few_;        // every worker does all row phases
  RowBuffers& rows_;      // the shared ones, or this worker's own
  float* const scratch_;  // this worker's
};

}  // namespace quire
