// engine/engine.h -- the step loop: one thread owns the sequences, the cache and the model.
//
//   admit -> plan -> forward -> sample -> apply
//
// Callers hand requests in through a bounded queue and read events from their EventQueue; nothing
// else crosses between threads. An idle engine sleeps.
//
// Threads  every method: any thread. The work happens on the engine's own.
// Errors   Submit answers at the door: kContextLength, kNeverFits (with the arithmetic),
//          kOverloaded (queue full) and kQuotaExceeded with when to retry, kUnavailable (after
//          StopAdmission), kInvalidArgument. After it accepted, every request ends with exactly one
//          DoneEvent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cache/eviction/make_policy.h"
#include "engine/door.h"
#include "engine/event.h"
#include "engine/request.h"
#include "engine/tenant.h"
#include "kernels/kv_view.h"

namespace prometheus {
class Collectable;
}

namespace quire {

class KvCourier;
class Model;
class Tokenizer;
class WorkerPool;
struct EngineView;
struct PrefixTree;

struct EngineOptions {
  uint64_t kv_memory_bytes = 0;  // of the KV arena; refused if it cannot hold one block
  KvFormat kv_format = KvFormat::kF16;
  uint32_t context_tokens = 0;  // prompt + answer of one request; 0: the model's own
  uint32_t step_tokens = 0;     // rows of one forward pass; 0: a default that suits the CPU
  uint32_t prefill_chunk = 0;   // largest piece of one prompt in a step; 0: step_tokens
  // No step is to take longer, so neither is the time between two tokens of an answer.
  uint32_t target_itl_ms = 150;
  EvictionKind eviction = EvictionKind::kAuto;
  // The longest that the blocks of an answer which ended in a tool call are kept for its return;
  // 0: they are kept no longer than others.
  uint32_t tool_keep_seconds = 600;
  uint32_t max_sequences = 64;  // running at once
  // Choices (n of each request) beyond the max_sequences that may run: each costs memory. A request
  // with more choices than this is still accepted when nobody waits.
  uint32_t queue_limit = 256;
  bool prefix_cache = true;
  // 32 secret bytes from which scopes are derived; empty: drawn at random for this process.
  std::string scope_secret;
  // Where KV outlives memory and process, and how many bytes of it; empty or 0: nowhere.
  std::string disk_folder;
  uint64_t disk_bytes = 0;
  bool disk_encryption = true;
  bool disk_page_cache = true;  // what was written last stays in the system's memory too
  bool disk_required = false;   // a folder that cannot be used is an error; else served without
  std::function<void(std::string_view line)> log = [](std::string_view) {};  // warnings; any thread
};

// A snapshot that adds up: free + live + idle + pinned == blocks.
struct EngineStats {
  uint32_t blocks = 0;
  uint32_t free_blocks = 0;
  uint32_t live_blocks = 0;
  uint32_t idle_blocks = 0;
  uint32_t pinned_blocks = 0;
  uint64_t block_bytes = 0;
  uint64_t disk_bytes = 0;  // of KV on disk
  uint32_t running = 0;     // choices, as is `waiting`
  uint32_t waiting = 0;
  uint64_t steps = 0;
  uint64_t batched_steps = 0;  // steps in which more than one sequence ran
  uint64_t max_step_sequences = 0;
  uint64_t prompt_tokens_cached = 0;
  uint64_t prompt_tokens_computed = 0;
  uint64_t generated_tokens = 0;
  uint64_t evicted_blocks = 0;
  uint64_t preemptions = 0;
};

class Engine {
 public:
  // `pool` is used by the engine alone from now on, at first for a warm-up pass through every
  // kernel (warm_up.h), which is left for whatever is to be done.
  static Result<std::unique_ptr<Engine>> Create(const EngineOptions& options,
                                                std::shared_ptr<const Model> model,
                                                std::shared_ptr<const Tokenizer> tokenizer,
                                                std::unique_ptr<WorkerPool> pool);
  ~Engine();  // cancels what is left and joins
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // `forecast`, if given, is told when the request will probably begin.
  Result<RequestId> Submit(GenerationRequest request, std::shared_ptr<EventQueue> events,
                           Forecast* forecast = nullptr);

  // What Submit would say of it now; it is cut as Submit cuts it, and a refusal is counted as one.
  Status Check(GenerationRequest& request);

  // Takes effect before the next step; idempotent; unknown ids are ignored. The request still gets
  // its ChoiceEndEvents and its DoneEvent.
  void Cancel(RequestId id);

  // Ends the pins of requests that had this pin_group and came before, also of those that are not
  // over and would have pinned only at their end.
  void Unpin(uint64_t group);

  // Says anew what tenants may use; takes effect before the next step. A tenant whose generation
  // has changed loses what it left behind, and those bytes are wiped. kInvalidArgument with the
  // arithmetic if more is guaranteed than there is.
  Status SetTenants(std::vector<Tenant> tenants);

  // Computes the whole blocks that `tokens` begin with and keeps them for good, as tenant "public":
  // requests of all tenants without a cache_salt share them. Waits until they are there. Errors are
  // those of Submit.
  Status SharePrefix(std::vector<TokenId> tokens);

  // What a tenant uses of the KV memory, as of the last step.
  struct TenantUsage {
    std::string tenant;
    uint64_t live_bytes = 0;
    uint64_t idle_bytes = 0;
    uint64_t pinned_bytes = 0;
    uint64_t disk_bytes = 0;
    uint64_t guaranteed_bytes = 0;
    uint64_t limit_bytes = Tenant::kUnlimited;
  };
  std::vector<TenantUsage> tenant_usage() const;  // by name

  // Hands to `take`, on the engine's thread, what is here at a moment between two steps
  // (engine/view/engine_view.h); never, if the engine ends before. `take` must only pass it on.
  void Look(std::function<void(EngineView)> take);
  // The same of the prefix tree; of one tenant's blocks, if it is named.
  void LookAtTree(std::optional<std::string> tenant, std::function<void(PrefixTree)> take);

  // Refuses new requests from now on.
  void StopAdmission();
  bool idle() const;  // nothing waiting or running
  // The pass of Create is still to be run, or to be run again: no step has come before it.
  bool warming_up() const;

  uint32_t RetryAfterSeconds() const;  // of a full queue, from the measured rate
  EngineStats stats() const;
  uint32_t context_tokens() const;       // of one request, after defaults
  const EngineOptions& options() const;  // after defaults
  // Deletes what is on disk and writes nothing more: it cannot be relied upon.
  void AbandonDisk();
  std::string disk() const;      // where and how KV is kept on disk; empty: it is not
  std::string numerics() const;  // "1/q8/full": version, KV format, context

  // KV that comes from elsewhere, or goes there (engine/transfer/kv_courier.h).
  KvCourier& courier();

  // Metrics of cache, scheduler and engine under the names of the interface.
  prometheus::Collectable& metrics();

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace quire
