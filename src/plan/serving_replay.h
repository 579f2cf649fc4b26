// plan/serving_replay.h -- how long the requests of a trace would have waited for their first
// token: the real cache and scheduler in virtual time (virtual_server.h).
//
// Blocks of the trace are spelled out as tokens, so that texts begin alike where the trace says
// so. What the requests of a trace answered is not known: answers are of the length it says, and
// later prompts that contain one hit only the prompt before it.
//
// Threads  none. Errors  none: requests that are refused are counted.
// Cost     about a microsecond per block of prompt and per row of a step.
#pragma once

#include <functional>
#include <vector>

#include "plan/trace.h"
#include "plan/virtual_server.h"

namespace quire {

struct ServingOptions {
  uint64_t capacity_tokens = 0;
  uint32_t block_tokens = 64;  // of the cache
  EvictionKind eviction = EvictionKind::kAuto;
  VirtualRates rates = {};
  StepBudget budget = {
      .step_tokens = 2048, .step_sequences = 256, .step_logit_rows = 256, .prefill_chunk = 2048};
  uint32_t prefill_beside_decodes = 1024;  // rows in one step
  uint32_t queue_limit = 4096;
  double speed = 1;      // arrivals come so many times faster
  uint32_t tenants = 1;  // requests are dealt to so many, conversation by conversation
  std::function<void(uint64_t)> progress = {};  // requests that arrived
};

struct TenantResult {
  uint64_t requests = 0;
  uint64_t refused = 0;
  uint64_t computed_tokens = 0;  // of prompts
  std::vector<double> ttft_ms;
};

struct ServingResult {
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;
  uint64_t refused = 0;
  uint64_t preemptions = 0;
  uint64_t steps = 0;
  double seconds = 0;           // of virtual time
  std::vector<double> ttft_ms;  // sorted
  std::vector<TenantResult> tenants;

  double hit_ratio() const;
  // Jain's index of the tenants' median times to the first token: 1 if all are equal, 1/n if one
  // bears it all.
  double fairness() const;
};

ServingResult Serve(const Trace& trace, const ServingOptions& options);

// The smallest of the sorted values that `share` of them do not exceed; 0 of nothing.
double PercentileOf(const std::vector<double>& sorted, double share);

}  // namespace quire
