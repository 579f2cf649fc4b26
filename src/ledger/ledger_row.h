// ledger/ledger_row.h -- what is written down of one request: who, how much, how long, how it
// ended.
//
// No text, token id, block name or key is in a row. Names of tenants and labels are: whoever may
// read the file may read them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quire {

// How a request ended.
enum class LedgerOutcome : uint8_t {
  kFinished,   // the answer came to its own end
  kLength,     // it was cut by max_tokens or the context
  kCancelled,  // the client left or stopped reading, or the server stopped: see the verdict
  kRefused,    // it was not begun: see the verdict
  kError,      // it could not go on: see the verdict
};
inline constexpr size_t kLedgerOutcomes = 5;
std::string_view LedgerOutcomeName(LedgerOutcome outcome);  // "finished"
std::optional<LedgerOutcome> FindLedgerOutcome(std::string_view name);

// Why full blocks of a prompt had to be computed, as columns and answers name it:
//   never_seen       by this process; or so long ago that it is forgotten
//   evicted_own      given up for the tenant's own requests
//   evicted_outside  given up for somebody else's
//   other_salt       known under another cache_salt of the tenant
//   purged           the tenant was purged
//   tier_failed      a tier had it and did not give it
//   tier_busy        a tier had it, but there was no memory to read it into in time
//   corrupt          a tier had it, but its bytes were not what they should be
//   break_even       a tier had it, but computing was measured to be faster
//   not_asked        the request asked for no look-up
inline constexpr std::array<const char*, 10> kLedgerMisses = {
    "never_seen",  "evicted_own", "evicted_outside", "other_salt", "purged",
    "tier_failed", "tier_busy",   "corrupt",         "break_even", "not_asked"};

struct LedgerTokens {
  uint64_t prompt = 0;
  uint64_t ram = 0;  // of the prompt: found in memory
  uint64_t disk = 0;
  uint64_t remote = 0;
  uint64_t computed = 0;  // those of a resume count again
  uint64_t generated = 0;
};

// Milliseconds. Of a request with several prompts, those of the slowest.
struct LedgerTimes {
  double queue = 0;
  double onboard = 0;
  double prefill = 0;
  double decode = 0;
  double first_token = 0;  // since it came
  double total = 0;        // until its end was told
};

struct LedgerKv {
  uint64_t peak_blocks = 0;
  uint64_t used_bytes = 0;      // those of the peak
  uint64_t forecast_bytes = 0;  // what it was expected to need when it was let in
  double byte_seconds = 0;      // held, over time; what is shared counts for each that holds it
};

struct LedgerRow {
  int64_t id = 0;  // the order in which rows were written; what a page goes on from
  std::string request_id;
  std::string tenant;
  uint64_t generation = 0;  // of the tenant
  int64_t started_ms = 0;   // since 1970
  std::string api;          // "chat", "completions", "responses", "messages", "sessions"
  std::string model;
  std::string numerics;
  std::string route;
  std::string version;
  std::string retry_of;  // the request_id that it repeats
  LedgerOutcome outcome = LedgerOutcome::kFinished;
  std::string verdict;  // code of the refusal or error, or who cancelled; else empty
  int status = 0;       // HTTP; 0: none was sent
  bool stream = false;
  uint32_t choices = 1;
  LedgerTokens tokens;
  LedgerTimes ms;
  LedgerKv kv;
  uint32_t preemptions = 0;
  std::array<uint64_t, kLedgerMisses.size()> missed{};  // blocks, by kLedgerMisses
  double evicted_ago_ms = 0;  // how long before it came the last of those evicted was given up
  double forecast_wait_ms = 0;
  std::string arms;  // of levers that were tried on it (arms.h)

  // What the user says of it, later.
  std::string label;
  bool has_score = false;
  double score = 0;

  uint64_t missed_blocks() const {
    uint64_t all = 0;
    for (const uint64_t blocks : missed) all += blocks;
    return all;
  }
};

}  // namespace quire
