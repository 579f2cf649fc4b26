// apps/plan/what_if.h -- a day of a trace, served by the planned machine and by others like it.
//
// The real cache and scheduler run in virtual time (plan/serving_replay.h) at the rates that were
// measured: as planned, with other formats of KV, with half and twice the KV memory.
//
// Threads  none. Errors  those of reading the trace; no rates.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "plan/capacity/capacity_plan.h"
#include "plan/serving_replay.h"

namespace quire {

struct WhatIfOptions {
  std::string trace = {};      // path
  uint32_t most_requests = 0;  // 0: all of the first day
  double load = 0;             // as `quire replay --load`; 0: arrivals as in the trace
  std::function<void(double share, const std::string& what)> progress = {};
};

struct WhatIfRow {
  std::string name = {};
  uint64_t kv_tokens = 0;
  ServingResult result = {};
};

struct WhatIf {
  std::string format = {};  // of the trace
  uint64_t requests = 0;
  uint64_t prompt_tokens = 0;
  double hours = 0;  // from the first to the last arrival, as served
  double load = 0;   // reading all prompts anew, by the time
  bool has_reuse = true;
  std::vector<WhatIfRow> rows = {};
};

// `times` is of the plan's format.
Result<WhatIf> ServeTrace(const ModelShape& shape, const CapacityPlan& plan,
                          const PlanQuestion& question, const ModelTimes& times,
                          const WhatIfOptions& options);

std::string WhatIfTable(const WhatIf& what_if);
std::string WhatIfJson(const WhatIf& what_if);

}  // namespace quire
