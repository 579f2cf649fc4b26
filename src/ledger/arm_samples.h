// ledger/arm_samples.h -- the requests of both arms of a lever, as figures to be compared.
//
// Threads  none. Errors  those of database.h. Cost  a pass over the rows of the window.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sqlite/database.h"
#include "ledger/arms.h"
#include "ledger/ledger_row.h"

namespace quire {

struct ArmSample {
  Arm arm = Arm::kControl;
  LedgerOutcome outcome = LedgerOutcome::kFinished;
  uint64_t prompt_tokens = 0;
  uint64_t found_tokens = 0;  // of those, not computed
  uint64_t computed_tokens = 0;
  uint64_t generated_tokens = 0;
  double queue_ms = 0;
  double first_token_ms = 0;
  double decode_ms = 0;
  double total_ms = 0;
  double kv_byte_seconds = 0;
  uint64_t preemptions = 0;
  // What its user said: the score, or without one 1 for the label "good" and 0 for others.
  std::optional<double> score = {};
};

struct ArmWish {
  std::string lever;
  int64_t since_ms = 0;                                    // started then or later
  int64_t until_ms = std::numeric_limits<int64_t>::max();  // started before
  uint32_t limit = 20'000;                                 // of both arms together, the newest
};
Result<std::vector<ArmSample>> ReadArms(const Database& database, const ArmWish& wish);

}  // namespace quire
