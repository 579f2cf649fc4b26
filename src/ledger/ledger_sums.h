// ledger/ledger_sums.h -- what many requests cost together: by route, by version, by tenant, ...
//
// Costs are of all requests of a group, also of those that failed, were cancelled or repeated
// another one: divided by the good outcomes they are what a good outcome costs.
//
// Threads  none. Errors  those of database.h. Cost  a pass over the rows that are meant.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sqlite/database.h"
#include "ledger/ledger_query.h"
#include "ledger/ledger_row.h"

namespace quire {

struct LedgerSum {
  std::string key;  // the value that all of them share; may be empty
  uint64_t requests = 0;
  uint64_t answered = 0;  // finished, or cut by their length
  uint64_t cancelled = 0;
  uint64_t refused = 0;
  uint64_t failed = 0;
  uint64_t retries = 0;  // that repeat another request
  uint64_t judged = 0;   // by their user
  uint64_t good = 0;
  LedgerTokens tokens;
  LedgerTimes ms;  // sums
  double kv_byte_seconds = 0;
  uint64_t preemptions = 0;
  std::array<uint64_t, kLedgerMisses.size()> missed{};           // blocks
  std::array<uint64_t, kLedgerMisses.size()> missed_requests{};  // that missed any for this reason
  double evicted_ago_ms = 0;  // mean, of requests that missed evicted blocks
};

// What rows may be grouped by.
inline constexpr std::array<std::string_view, 8> kLedgerKeys = {
    "route", "version", "tenant", "model", "api", "outcome", "verdict", "arms"};

struct LedgerSumWish {
  LedgerFilter filter = {};
  std::string_view by = {};  // of kLedgerKeys; empty: all rows are one group
  // An outcome is good if its score is 0.5 or more, or, without a score, if this is its label.
  std::string good_label = "good";
  uint32_t limit = 100;  // groups, those that held most KV
};
Result<std::vector<LedgerSum>> SumLedger(const Database& database, const LedgerSumWish& wish);

}  // namespace quire
