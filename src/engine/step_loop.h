// engine/step_loop.h -- the step: which sequences run, what they become, who is told.
//
//   Step   plan -> run the model -> choose tokens -> apply -> tell
//
// The model is a function from a batch to logits, so that everything here is tested with one that
// has no arithmetic.
//
// Threads  none: one thread calls everything.
// Errors   when memory runs out while a request is taken in (Start) or while a token is chosen for
//          it, that request ends with kUnavailable and no other is touched. What a step needs for
//          all (a table grows, an end is told) may come from spare memory (base/spare_memory.h), if
//          the thread has a permit; when that becomes scarce, the newest request ends likewise,
//          step by step. If all of it is used up std::bad_alloc leaves Step and ends the process:
//          KV is a cache, nothing is lost that a restart does not bring back.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/eviction/make_policy.h"
#include "cache/kv_cache.h"
#include "cache/scope.h"
#include "engine/active_request.h"
#include "engine/door.h"
#include "engine/engine.h"
#include "engine/metrics.h"
#include "engine/pace.h"
#include "engine/retention/open_calls.h"
#include "engine/tenant_accounts.h"
#include "model/forward.h"
#include "sched/scheduler.h"

namespace quire {

class KvDisk;
struct EngineView;
struct PrefixTree;
struct RequestView;

// ForwardPass::RunUnless: logits [sum of num_logit_rows][vocab_size], or nullopt if the step was
// left early. Then nothing was computed, and the next step is planned anew. Asks AwaitLayer before
// each layer.
using RunBatch = std::function<std::optional<std::span<const float>>(std::span<const BatchItem>)>;

struct StepLoopOptions {
  StepBudget budget;
  uint32_t queue_limit = 256;  // choices that wait
  uint32_t num_blocks = 0;
  uint64_t block_bytes = 0;
  bool prefix_cache = true;
  EvictionKind eviction = EvictionKind::kLru;
  TickMs tool_keep_ms = 0;        // most that the blocks of a tool call are kept; 0: not at all
  double target_itl_seconds = 0;  // bounds steps by time (pace.h); 0: only by the budget
  std::string model_digest;
  std::string kv_format;
  std::string scope_secret;                       // 32 bytes
  KvDisk* disk = nullptr;                         // outlives the loop; null: none
  std::function<void()> disk_news = [] {};        // Step has something to do; on any thread
  std::function<double()> clock = SteadySeconds;  // never goes back
};

class StepLoop {
 public:
  // `tokenizer` and `metrics` outlive it.
  StepLoop(const StepLoopOptions& options, const Tokenizer& tokenizer, RunBatch run,
           EngineMetrics& metrics);

  void Start(Arrival arrival);  // leads to exactly one DoneEvent, also when it is refused
  void Cancel(RequestId id);    // unknown ids are ignored
  void CancelAll();
  // Of requests up to `last`, whether they are over or not.
  void Unpin(uint64_t group, RequestId last);

  // Runs one step; false if there was nothing to do.
  bool Step();

  // For an engine that sleeps: after how many seconds a pin is over, infinite if there is none; and
  // what is to be done then.
  double SecondsToUnpin() const;
  void UnpinExpired();

  // Nothing is to be computed, but something to be read from the disk or written to it: the next
  // Step is worth its while after disk_news.
  bool WaitsForDisk() const;

  // While the model runs: whether at least half of the step's tokens are for these requests, so
  // that it is cheaper to compute the others again than to wait for the end of the step.
  bool IsMostlyFor(std::span<const RequestId> requests) const;

  // While the model runs: nobody is being answered, and so much of the step remains that nobody who
  // has news should wait for it.
  bool HasLongToGo() const;

  // While the model runs: whether to leave the step for a newcomer whose work is short beside what
  // is left of it. Only if that is long if somebody gets a token by this step.
  bool IsWorthLeavingFor(const GenerationRequest& newcomer) const;

  // While the model runs, before it attends in `layer`: waits until KV that is read from the disk
  // has this layer. False if that fails, or is `in_vain` meanwhile: then the step is to be left.
  [[nodiscard]] bool AwaitLayer(
      uint32_t layer, const std::function<bool()>& in_vain = [] { return false; });
  // Somebody's KV still lacks layers: the step is to be left for nobody.
  bool IsAhead() const;

  EngineStats stats() const { return stats_; }
  uint32_t num_new() const { return scheduler_.num_new(); }            // choices that never ran
  uint32_t num_choices() const { return scheduler_.num_sequences(); }  // waiting and running
  bool holds_blocks() const { return cache_.pool().num_free() < cache_.pool().capacity(); }
  Load load() const;
  // What tenants may use from now on. Returns blocks whose bytes are to be wiped.
  std::vector<BlockId> Describe(std::span<const Tenant> tenants);
  // Requests of all tenants may use the blocks that the tenant "public" holds of these tokens.
  void SharePrefix(std::vector<TokenId> tokens) { public_prefixes_.push_back(std::move(tokens)); }
  std::vector<TenantAccounts::Usage> usage() const { return accounts_.usage(); }

  // Called after each step with the tokens that it computed for a tenant.
  void OnComputed(std::function<void(const std::string& tenant, uint64_t tokens)> computed) {
    computed_ = std::move(computed);
  }
  // Called with each request that ends, also one that never began.
  void OnEnd(std::function<void(const GenerationRequest&)> ended) { ended_ = std::move(ended); }

  // Between steps, for blocks that come from elsewhere: how a request is known to the cache.
  SequenceSpec SpecOf(const GenerationRequest& request);
  KvCache& cache() { return cache_; }

  // Between steps, for whoever looks (engine/view/engine_view.h). Tree: of one tenant's blocks, if
  // it is named.
  EngineView View() const;
  PrefixTree Tree(const std::optional<std::string>& tenant) const;

  void CheckInvariants() const;  // for idle moments

  // Publishes the state as it is now; Step, Cancel do it by themselves.
  void Publish();
  // Called with each coherent state, before the events that follow from it are told.
  void OnPublish(std::function<void(const EngineStats&)> publish) { publish_ = std::move(publish); }

 private:
  struct Place {
    ActiveRequest* request = nullptr;
    uint32_t choice = 0;
  };

  // One per choice; but where nothing is chosen, one reads the prompt for all.
  static uint32_t NumSequences(const GenerationRequest& request);
  std::vector<std::string> TenantNames() const;  // by OwnerId
  RequestView ViewOf(const ActiveRequest& request) const;
  Scope ScopeOf(const GenerationRequest& request, const TenantAccounts::Account& account) const;
  BlockNames::PublicPrefix PublicPrefixOf(const GenerationRequest& request) const;
  Status Enqueue(std::unique_ptr<ActiveRequest> request);
  Status SubmitSequences(ActiveRequest& request, SequenceSpec spec);
  bool HoldForDisk(ActiveRequest& request, const SequenceSpec& spec);
  bool FetchFromDisk(const Sequence& sequence, uint32_t found_tokens);
  TickMs Now() const;
  Activity NextActivity() const;
  void WorkDisk();
  void AdmitFromDisk(RequestId id, uint32_t tokens, double seconds);
  void GiveUpAhead();
  bool RefuseUnfit();
  void FillBatch(std::span<const PlanItem> plan);
  void Choose(std::span<const PlanItem> plan, std::span<const float> logits);
  Choice ChooseOne(const PlanItem& item, Place place, std::span<const float> logits);
  StepShape ShapeOfBatch() const;
  void Note(std::span<const PlanItem> plan, double seconds);
  void NotePrompt(const PlanItem& item, const Sequence& sequence);
  void NoteTimeline(const PlanItem& item);
  void NoteMisses(const PlanItem& item, const Sequence& sequence, ActiveRequest& request);
  TickMs NoteCall(const PlanItem& item, const GenerationRequest& request);
  OpenCalls::Turn TurnOf(const Sequence& sequence, const GenerationRequest& request) const;
  void Leave(SequenceId id);
  void FailNewest();
  static Error ErrorOf(const std::exception& failure);
  void CancelSequences(ActiveRequest& request);
  void Settle();
  void NoteLength(const Answer& answer, Pace::Answered& answered) const;

  const StepLoopOptions options_;
  const Tokenizer& tokenizer_;
  const RunBatch run_;
  EngineMetrics& metrics_;
  KvCache cache_;
  Scheduler scheduler_;
  TenantAccounts accounts_;
  OpenCalls open_calls_;
  Pace pace_;
  std::vector<std::vector<TokenId>> public_prefixes_;  // whole blocks
  std::function<void(const EngineStats&)> publish_;
  std::function<void(const std::string&, uint64_t)> computed_;
  std::function<void(const GenerationRequest&)> ended_;

  std::unordered_map<RequestId, std::unique_ptr<ActiveRequest>> requests_;
  std::unordered_map<SequenceId, Place> places_;
  std::unordered_map<RequestId, SequenceId> fetching_;  // who of a request waits for the disk
  std::vector<ActiveRequest*> settling_;                // something of them ended in this step
  std::vector<BatchItem> batch_;                        // one per plan item
  std::vector<RequestId> batch_requests_;               // whose they are
  std::vector<Choice> chosen_;
  bool planned_nothing_ = true;     // the last time, and nobody has come since
  bool nobody_is_answered_ = true;  // by the step
  uint64_t decode_depth_ = 0;       // positions of a token that was decoded lately
  double step_started_ = 0;
  double step_ended_ = 0;      // the model has run
  double waited_seconds_ = 0;  // of that, for layers from the disk
  EngineStats stats_;
  CacheReport report_;
};

}  // namespace quire
