// model/forward_buffers.h -- the memory of a forward pass: what its phases hand to each other.
//
// All of it is made at construction for the largest batch, on huge pages, and touched only as far
// as batches reach. See model/worker_pass.h for who writes what when.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/barrier.h"
#include "kernels/attention.h"
#include "kernels/matmul.h"
#include "model/config.h"
#include "model/forward.h"
#include "model/huge_buffer.h"
#include "model/team_plan.h"

namespace quire {

// Rows of the ffn that one worker takes from gate and up through the activation at once.
inline constexpr uint32_t kFfnChunk = 128;

// One worker's memory for the tokens it has in hand, kMaxSetTokens at most: [token][...].
struct WorkerSpace {
  WorkerSpace(const ModelConfig& config, uint32_t max_tokens);

  HugeBuffer memory;
  float* residual;        // [width]; this and the next belong to the worker alone
  float* final_residual;  // [width]: of the tokens that want logits, from the last attention on
  float* scratch;         // one row of the widest kind
  float* gate;            // [kFfnChunk], or fewer tokens times more
  float* up;              // likewise
  Activations width;      // of the residual stream
  Activations heads;      // what attention gave

  // Of a team's first worker: written by all of the team, each its own rows.
  float* key;     // [kv_width]
  float* value;   // [kv_width]
  float* branch;  // [width]: what attention or the ffn adds to the residual stream
  Activations ffn;
  Barrier barrier;
  std::vector<std::atomic<uint32_t>> pieces;  // done, by unit of a QkvAxis; 0 between layers

  uint32_t max_tokens;
  uint64_t bytes;  // about: of activations, the two forms without their headers
};

// A worker's times of the pass at hand.
struct alignas(64) WorkerTimes {
  std::array<uint64_t, kPassPhases> ns;
  uint64_t end_ns;
  uint64_t barriers;
};

struct ForwardBuffers {
  ForwardBuffers(const ModelConfig& config, const ForwardLimits& limits, uint32_t workers);

  std::vector<std::unique_ptr<WorkerSpace>> own;  // [worker]
  std::vector<WorkerTimes> times;                 // [worker]
  // Slabs taken (TeamPlan): [stage][worker], a stage per layer and one after the last attention.
  std::vector<std::atomic<uint32_t>> slabs_taken;
  bool leave = false;  // written by worker 0 before a barrier, read by all after it

  HugeBuffer memory;  // holds what follows, [token][...]
  float* residual;    // [width]: of passes whose workers are alone, else in `own`
  float* query;       // [query_width]
  float* attended;    // [query_width]
  float* rope;        // [rope.dims]: the tables of the tokens' positions
  float* local_rope;  // [local_rope.dims]
  float* logits;      // [max_logit_rows][vocab_size]
  AttentionScratch attention;

  uint64_t bytes() const;

 private:
  void Carve(const ModelConfig& config, const ForwardLimits& limits);
};

}  // namespace quire
