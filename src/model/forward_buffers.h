// model/forward_buffers.h -- the memory of a forward pass: what its phases hand to each other.
//
// All of it is made at construction for the largest batch, on huge pages, and touched only as far
// as batches reach. See model/worker_pass.h for who writes what when.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/attention.h"
#include "kernels/matmul.h"
#include "model/config.h"
#include "model/forward.h"
#include "model/huge_buffer.h"

namespace quire {

// Passes of at most this many tokens do their row phases on every worker: for a few microseconds
// of work, doing it twice is cheaper than a barrier.
inline constexpr uint32_t kFewTokens = 4;

// Activations of the three widths that a layer multiplies.
struct ActivationSet {
  ActivationSet(uint32_t max_tokens, const ModelConfig& config);
  void SetTokens(uint32_t tokens, const ModelConfig& config);

  Activations width;  // of the residual stream
  Activations heads;  // what attention gave
  Activations ffn;
  uint64_t bytes;
};

// What row phases write: one for all workers, and one of each worker's own for few tokens.
struct RowBuffers {
  RowBuffers(uint32_t max_tokens, uint32_t max_logit_rows, const ModelConfig& config);

  HugeBuffer memory;
  float* residual;         // [token][width]
  ActivationSet all;       // of every token
  ActivationSet selected;  // of the tokens that want logits, for the end of the last layer
};

struct ForwardBuffers {
  ForwardBuffers(const ModelConfig& config, const ForwardLimits& limits, uint32_t workers);

  RowBuffers shared;
  std::vector<std::unique_ptr<RowBuffers>> own;  // [worker]

  HugeBuffer memory;  // holds what follows, [token][...]
  float* query;       // [query_width]
  float* key;         // [kv_width]
  float* value;       // [kv_width]
  float* attended;    // [query_width]
  float* branch;      // [width]: what attention or the ffn adds to the residual stream
  float* gate;        // [ffn_width]
  float* up;          // [ffn_width]
  float* rope;        // [rope.dims]: the tables of the tokens' positions
  float* local_rope;  // [local_rope.dims]
  float* logits;      // [max_logit_rows][vocab_size]
  float* scratch;     // [worker][scratch_stride]: one row of the widest kind
  size_t scratch_stride;
  AttentionScratch attention;

  uint64_t bytes() const;  // about: of activations, the two forms without their headers

 private:
  void Carve(const ModelConfig& config, const ForwardLimits& limits, uint32_t workers);
};

}  // namespace quire
