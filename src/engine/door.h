// engine/door.h -- whether a request may come in, and how long it will wait if it does.
//
//   admit   with a forecast: how many answers are ahead of it, and when it will be begun
//   refuse  kOverloaded      the queue is full
//           kQuotaExceeded   its tenant has computed its tokens of this minute
//           kContextLength   more tokens than its tenant may use in one request
//           kNeverFits       more KV than its tenant may ever hold
//           each with the arithmetic, the first two with when to try again
//
// The forecast uses measured rates: what is ahead in the order of the queue is to be read first,
// and if no place or no memory is free, or its tenant may run no more at once, others have to end:
// each generates as many tokens as those that have ended did. Before the first step has ended there
// is no rate, and no forecast for whoever has to wait.
//
// Threads  none: the engine guards it with its mutex. Times are arguments, in seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "engine/request.h"
#include "engine/tenant.h"

namespace quire {

// What the engine thread knows of its load, as of its last step.
struct Load {
  uint32_t running = 0;          // choices
  uint32_t waiting = 0;          // choices that wait, also for a second time
  uint32_t unstarted = 0;        // of those, such as never ran
  uint64_t waiting_tokens = 0;   // to compute before all of those have their first token
  uint64_t running_tokens = 0;   // the same for those that run
  uint64_t free_tokens = 0;      // of KV that is free or can be freed
  double tokens_per_second = 0;  // of prefill; 0: not measured yet
  // What those that are here will generate, as answers did lately; 0: not measured yet.
  double tokens_per_choice = 0;
  // A step that only decodes, over the tokens it makes: of those that run now, or of as many as
  // can. 0: not measured yet.
  double seconds_per_token = 0;
  double seconds_per_token_full = 0;
};

struct Forecast {
  uint32_t position = 0;               // answers that are ahead and have not begun
  std::optional<double> wait_seconds;  // none: nothing was measured yet
  uint64_t kv_bytes = 0;               // for the prompt and max_tokens of each choice
};

class Door {
 public:
  struct Limits {
    uint32_t queue_limit = 0;
    uint32_t max_running = 0;
    uint64_t block_bytes = 0;
    uint32_t block_tokens = 0;
  };
  explicit Door(const Limits& limits) : limits_(limits) {}

  void Describe(std::span<const Tenant> tenants);
  void SetLoad(const Load& load) { load_ = load; }

  // `arriving`: choices and prompt tokens that were admitted since the load was set.
  struct Arriving {
    uint32_t choices = 0;
    uint64_t tokens = 0;
  };
  // What Enter would say now.
  Status Check(const GenerationRequest& request, const Arriving& arriving, double now);
  Result<Forecast> Enter(const GenerationRequest& request, const Arriving& arriving, double now);

  // Where max_tokens is no wish (cut_max_tokens): cuts it to what the tenant may use in a request.
  void CutToTenant(GenerationRequest& request) const;

  // Choices that Enter admitted have ended, or were never taken in.
  void NoteEnded(const std::string& tenant, uint32_t choices);

  // `tokens` were computed for the tenant.
  void NoteComputed(const std::string& tenant, uint64_t tokens, double now);

  // Before anything was measured. Some steps: then there is more to say.
  static constexpr uint32_t kUnmeasuredRetrySeconds = 5;
  // `max_tokens`: of whoever is told; it says something as long as no answer has ended.
  uint32_t RetryAfterSeconds(const Arriving& arriving, uint32_t max_tokens = UINT32_MAX) const;

 private:
  // Tokens that may be computed: filled by time, up to a minute's worth; may be overdrawn.
  struct Bucket {
    double level = 0;
    double filled_at = -1;  // -1: never, so it is full
  };
  struct Account {
    Tenant tenant;
    Bucket bucket;
  };
  Status CheckQueue(const GenerationRequest& request, const Arriving& arriving) const;
  static void Fill(Account& account, double now);
  Status CheckTenant(const GenerationRequest& request, double now);
  std::optional<double> SecondsUntil(double tokens, double ends, uint32_t max_tokens,
                                     double seconds_per_token) const;
  std::optional<double> OwnTurn(const GenerationRequest& request) const;
  uint64_t KvBytesOf(const GenerationRequest& request) const;
  Forecast ForecastOf(const GenerationRequest& request, const Arriving& arriving) const;

  const Limits limits_;
  Load load_;
  std::unordered_map<std::string, Account> accounts_;  // of tenants with a description
  std::unordered_map<std::string, uint64_t> present_;  // choices that were admitted and not ended
};

}  // namespace quire
