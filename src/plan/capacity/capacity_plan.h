// plan/capacity/capacity_plan.h -- what a machine can do with a model: memory, sessions, rates, and
// what a change would do.
//
// All of it is arithmetic over a model's sizes, a machine's memory and disk, and what was measured
// of the machine once (machine_profile.h); without that there are no times, and the plan says so.
//
// Threads  none: MakePlan may be called on any. Cost: milliseconds.
// Errors   kInvalidArgument naming the field: a list that is empty, too long, or out of range; no
//          memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "plan/capacity/machine_profile.h"
#include "plan/capacity/memory_forecast.h"
#include "plan/capacity/model_shape.h"
#include "plan/capacity/step_forecast.h"

namespace quire {

struct PlanQuestion {
  uint64_t memory_bytes = 0;               // for all of the server
  std::vector<uint32_t> contexts = {};     // tokens of one session; empty: some up to the model's
  std::vector<uint32_t> sessions = {};     // at once; empty: 1, 4, 16, 64
  std::vector<double> network_gbits = {};  // links to fetch KV over; empty: 1, 10
  ServerSetting setting = {};
  StepForecast::Pace pace = {};
};

// As a fuel ledger has it.
enum class Verdict : uint8_t {
  kFits,       // in RAM, with a tenth of the KV memory to spare
  kTight,      // in RAM, and nothing is left to keep what others may come back for
  kNeedsDisk,  // those who pause wait on disk, and are read back when they go on
  kNever,      // more than RAM and disk hold, or a single one never runs
};
const char* VerdictName(Verdict verdict);

struct Cell {
  uint32_t sessions = 0;
  Verdict verdict = Verdict::kNever;
  uint64_t kv_bytes = 0;
  uint64_t disk_bytes = 0;       // of those, what RAM does not hold
  double tokens_per_second = 0;  // of all that run at once together; 0: not measured
};

struct ContextRow {
  uint32_t context = 0;
  uint64_t kv_bytes = 0;         // of one session
  double first_token = 0;        // seconds, of a whole prompt that is new; 0: not measured
  double next_token = 0;         // seconds, alone, at the end of such a context
  std::vector<Cell> cells = {};  // by PlanQuestion::sessions
};

// From how many tokens on fetching KV takes less time than computing it.
struct BreakEven {
  std::string place = {};       // "RAM", "disk", "network 10 Gbit/s"
  double bytes_per_second = 0;  // 0: not known
  double latency = 0;           // seconds
  uint32_t tokens = 0;          // whole blocks; 0: never within the model's context
  std::string arithmetic = {};
};

struct Change {
  std::string name = {};
  double kv_token_bytes = 0;   // 0 beyond a window: what one more token costs
  uint64_t context_bytes = 0;  // of one session of the longest context asked for
  uint64_t sessions = 0;       // of that length that fit in RAM
  double next_token = 0;       // seconds, at that length; 0: not measured
  std::string remark = {};     // what it costs, or what it takes
};

struct FormatRow {
  KvFormat format = KvFormat::kF16;
  uint64_t token_bytes = 0;
  uint64_t block_bytes = 0;
  uint64_t tokens = 0;  // that the KV memory holds
};

struct CapacityPlan {
  MemoryForecast memory = {};
  uint64_t memory_bytes = 0;
  uint64_t kv_blocks = 0;  // that fit
  uint64_t kv_bytes = 0;   // to start the server with
  uint64_t disk_bytes = 0;
  KvFormat kv_format = KvFormat::kK16V8;
  std::vector<FormatRow> formats = {};
  std::vector<ContextRow> rows = {};
  std::vector<BreakEven> break_even = {};
  std::vector<Change> changes = {};
  std::vector<Term> times = {};  // seconds: where those of a token and of a prompt come from
  bool measured = false;
};

// `profile` null, or one without this model: no times.
Result<CapacityPlan> MakePlan(const ModelShape& shape, const PlanQuestion& question,
                              const MachineProfile* profile);

}  // namespace quire
