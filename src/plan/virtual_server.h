// plan/virtual_server.h -- the real cache and scheduler in virtual time, before a model that only
// takes as long as one would.
//
// A step takes `step_ms` and 1 / `prefill_rate` for each of its rows: so a lone decode takes about
// step_ms, a batch of them hardly more, and a long prompt its length over the rate; and what the
// positions before a row cost it, where that is given. What is chosen is a function of the
// sequence's tokens alone, so who shares a prefix goes on alike.
//
// Deterministic. Threads  none. Errors  those of Scheduler::Submit.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cache/eviction/make_policy.h"
#include "cache/kv_cache.h"
#include "sched/scheduler.h"

namespace quire {

struct VirtualRates {
  double prefill_tokens_per_s = 1000;
  double step_ms = 20;
  double position_ms = 0;         // of a row of several, for each position before it
  double decode_position_ms = 0;  // of a row alone in its sequence
};

struct VirtualServerOptions {
  KvCacheOptions cache;
  StepBudget budget;
  uint32_t queue_limit = 1024;
  // Prefill rows beside decodes in one step; the rest of the budget where nothing is decoded.
  uint32_t prefill_beside_decodes = 48;
  EvictionKind eviction = EvictionKind::kAuto;
  VirtualRates rates;
};

enum class RequestEnd : uint8_t { kDone, kCancelled, kNeverFits };

// Of one sequence, when it is over.
struct ServedRequest {
  SequenceId id = kNoSequence;
  OwnerId owner = kFirstOwner;
  RequestEnd end = RequestEnd::kDone;
  double arrival_ms = 0;
  double first_token_ms = -1;  // -1: there was none
  double end_ms = 0;
  uint32_t prompt_tokens = 0;
  uint32_t cached_tokens = 0;
  uint32_t preemptions = 0;
  std::vector<TokenId> tokens;  // the prompt and what was chosen
};

class VirtualServer {
 public:
  using OnEnd = std::function<void(const ServedRequest&)>;
  VirtualServer(const VirtualServerOptions& options, OnEnd on_end);

  OwnerId AddOwner(const Quota& quota, const OwnerLimits& limits);
  // `spec.arrival` is set to now.
  [[nodiscard]] Result<SequenceId> Submit(SequenceSpec spec);
  void Cancel(SequenceId sequence);

  // Called with each request that is done, before its blocks are released: how long to keep them.
  void SetKeep(std::function<TickMs(const ServedRequest&)> keep) { keep_ = std::move(keep); }

  // One step. False if there was nothing to do. Time goes on by as long as it took.
  bool Step();
  // Called when a step is planned and nothing of it is done yet.
  void SetAfterPlan(std::function<void()> after_plan) { after_plan_ = std::move(after_plan); }
  // A step whose forward pass fails: time goes on and nothing is computed.
  bool StepInVain();
  // Time goes on to `ms` if it is later.
  void WaitUntil(double ms);

  double now_ms() const { return now_ms_; }
  bool idle() const { return scheduler_.num_sequences() == 0; }
  uint64_t num_steps() const { return num_steps_; }
  KvCache& cache() { return cache_; }
  Scheduler& scheduler() { return scheduler_; }
  void CheckInvariants() const;

 private:
  struct Open {
    double arrival_ms = 0;
    double first_token_ms = -1;
  };
  TickMs now() const { return static_cast<TickMs>(now_ms_); }
  std::span<const PlanItem> Plan();
  void PassTime(std::span<const PlanItem> plan);
  TickMs Report(SequenceId sequence, RequestEnd end);  // how long to keep its blocks

  const VirtualServerOptions options_;
  OnEnd on_end_;
  std::function<void()> after_plan_;
  std::function<TickMs(const ServedRequest&)> keep_;
  KvCache cache_;
  Scheduler scheduler_;
  double now_ms_ = 0;
  uint64_t num_steps_ = 0;
  std::unordered_map<SequenceId, Open> open_;
  std::vector<Choice> choices_;
};

}  // namespace quire
