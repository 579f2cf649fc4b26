// apps/bench/bench_stage.h -- a model with sequences on it, driven pass by pass: no engine.
//
// All KV memory is filled at the start with copies of the KV of a short text that the model has
// read, so that a case at depth 4096 need not first read 4096 tokens: how long a pass takes does
// not depend on what the keys and values are.
//
// Threads  one caller; the workers of `pool` run the passes.
// Memory   sized at creation for the largest case.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "apps/bench/bench_case.h"
#include "base/result.h"
#include "base/worker_pool.h"
#include "model/forward.h"
#include "model/model.h"
#include "model/pass_times.h"
#include "tier/kv_arena.h"

namespace quire {

class BenchStage {
 public:
  struct Options {
    KvFormat format = KvFormat::kF16;
    uint32_t chunk_tokens = 512;  // rows of one pass of a prefill
  };
  // Refuses cases that need more memory than there is, with the arithmetic.
  static Result<std::unique_ptr<BenchStage>> Create(const Model& model, WorkerPool& pool,
                                                    std::span<const BenchCase> cases,
                                                    const Options& options);

  double Run(const BenchCase& bench);                          // seconds
  const PassTimes& times() const { return forward_.times(); }  // of the last Run

  const KvShape& kv_shape() const { return arena_.view().shape; }
  uint64_t kv_bytes() const { return arena_.bytes(); }
  uint64_t buffer_bytes() const { return forward_.buffer_bytes(); }

 private:
  BenchStage(const Model& model, WorkerPool& pool, KvArena arena, const ForwardLimits& limits,
             uint32_t chunk_tokens);
  void FillArena();
  void LayTables(const BenchCase& bench);
  void Prefill(const BenchCase& bench);
  void Decode(const BenchCase& bench);
  TokenId NextToken();

  KvArena arena_;
  const uint32_t vocab_size_;
  const uint32_t chunk_tokens_;
  const uint32_t max_context_;
  ForwardPass forward_;
  uint64_t random_ = 1;
  std::vector<TokenId> tokens_;
  std::vector<std::vector<uint32_t>> tables_;  // [sequence]
};

}  // namespace quire
