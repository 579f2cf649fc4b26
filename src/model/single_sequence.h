// model/single_sequence.h -- one sequence by itself, with a KV arena of its own: no engine.
//
// For tests, tools and measurements of the model alone.
//
// Threads  as ForwardPass.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/worker_pool.h"
#include "kernels/kv_view.h"
#include "model/forward.h"
#include "model/huge_buffer.h"
#include "model/model.h"

namespace quire {

class SingleSequence {
 public:
  struct Options {
    KvFormat format = KvFormat::kF16;
    ForwardLimits limits;
  };
  SingleSequence(const Model& model, WorkerPool& pool, const Options& options);

  // Reads `tokens` after those read before, max_tokens at a time, and returns the logits of the
  // last `num_logit_rows` of them (all of one pass), valid until the next call.
  std::span<const float> Append(std::span<const TokenId> tokens, uint32_t num_logit_rows = 1);

  void Truncate(uint32_t length);  // forgets what comes after
  uint32_t length() const { return length_; }

 private:
  HugeBuffer arena_;
  KvView kv_;
  std::vector<uint32_t> table_;
  const uint32_t max_tokens_;
  uint32_t length_ = 0;
  ForwardPass forward_;
};

}  // namespace quire
