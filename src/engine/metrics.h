// engine/metrics.h -- what the engine counts, under the names of docs/interface.md.
//
// Threads  Rejected: any thread. The rest: the engine thread. Collecting may happen at
//          any time; it never holds the engine up for longer than one histogram is copied.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "cache/kv_cache.h"
#include "engine/active_request.h"
#include "engine/disk_metrics.h"
#include "engine/engine.h"
#include "engine/follower.h"
#include "engine/kv_metrics.h"

namespace quire {

// What the cache knows and EngineStats does not show.
struct CacheReport {
  KvCacheCounts counts;
  double mean_run_blocks = 0;  // as in KvState
  uint32_t block_tokens = 0;
  KvPlaces places;
};

class EngineMetrics : public prometheus::Collectable {
 public:
  EngineMetrics();
  std::vector<prometheus::MetricFamily> Collect() const override;

  // A tenant has come: its series are there, at 0, so that its first refusal is an increase.
  void Welcome(const std::string& tenant);
  void Rejected(ErrorCode code, const std::string& tenant);
  void InterToken(double seconds) { inter_token_seconds_.Observe(seconds); }
  void Ended(const ActiveRequest& request, uint64_t block_bytes);
  // Of the cached ones at most so many came from the disk, and of the rest so many were brought by
  // a hand-off or an import.
  struct PromptSources {
    uint32_t cached = 0;
    uint32_t onboarded = 0;
    uint32_t brought = 0;
    uint32_t computed = 0;
  };
  void PromptTokens(const GenerationRequest& request, const PromptSources& tokens);
  void GeneratedToken(const std::string& tenant) { Of(tenant).generated.Increment(); }
  // Full blocks of a prompt that had to be computed, by MissReason.
  void Missed(const std::string& tenant, const std::array<uint32_t, kMissReasons>& blocks);
  void NotStarted(const std::string& tenant);  // accepted, but there was no memory to begin
  void Step(double seconds, uint32_t tokens);
  void Publish(const EngineStats& stats, const CacheReport& report);
  void PublishDisk(const KvDisk::Counts& counts);  // their series exist from the first time on

 private:
  // The series of one tenant.
  struct Tenant {
    prometheus::Counter& ok;
    prometheus::Counter& cancelled;
    prometheus::Counter& failed;
    prometheus::Counter& cached;
    prometheus::Counter& onboarded;
    prometheus::Counter& remote;
    prometheus::Counter& computed;
    prometheus::Counter& generated;
    std::array<prometheus::Counter*, kMissReasons> missed;   // by MissReason
    std::array<prometheus::Counter*, kTurnKinds> cached_of;  // by TurnKind
    std::array<prometheus::Counter*, kTurnKinds> computed_of;
  };
  Tenant& Of(const std::string& tenant);

  prometheus::Histogram& Seconds(const char* name, const char* help);

  prometheus::Registry registry_;
  std::unordered_map<std::string, Tenant> tenants_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& rejections_;
  prometheus::Family<prometheus::Counter>& prompt_tokens_;
  prometheus::Family<prometheus::Counter>& class_tokens_;
  prometheus::Family<prometheus::Counter>& generated_tokens_;
  prometheus::Family<prometheus::Counter>& evictions_family_;
  prometheus::Family<prometheus::Counter>& misses_family_;
  prometheus::Histogram& queue_seconds_;
  prometheus::Histogram& first_token_seconds_;
  prometheus::Histogram& output_token_seconds_;
  prometheus::Histogram& inter_token_seconds_;
  prometheus::Histogram& step_seconds_;
  prometheus::Histogram& step_tokens_;
  prometheus::Histogram& bytes_per_request_;
  KvMetrics kv_;
  prometheus::Gauge& running_;
  prometheus::Gauge& waiting_;
  std::array<Follower, kEvictionReasons> evictions_;
  Follower preemptions_;
  Follower allocation_failures_;
  std::optional<DiskMetrics> disk_;
};

}  // namespace quire
