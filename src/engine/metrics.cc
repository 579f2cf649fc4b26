#include "engine/metrics.h"

#include <algorithm>
#include <utility>

namespace quire {

namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;

constexpr const char* kTenant = "tenant";
constexpr std::array<const char*, kTurnKinds> kTurnNames = {"first", "turn", "tool_return"};

Family<Counter>& Counters(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Family<Gauge>& Gauges(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

// From first, each bucket twice the one before.
Histogram::BucketBoundaries Doubling(double first, int count) {
  Histogram::BucketBoundaries bounds;
  for (double bound = first; count > 0; --count, bound *= 2) bounds.push_back(bound);
  return bounds;
}

Histogram& Histo(Registry& registry, const char* name, const char* help,
                 const Histogram::BucketBoundaries& bounds) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, bounds);
}

const char* ReasonOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kContextLength:
      return "context_length_exceeded";
    case ErrorCode::kNeverFits:
      return "never_fits";
    case ErrorCode::kOverloaded:
      return "overloaded";
    case ErrorCode::kQuotaExceeded:
      return "quota_exceeded";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kInvalidArgument:
      return "invalid";
    default:
      return "internal";
  }
}

}  // namespace

// Latencies from half a millisecond to four minutes.
Histogram& EngineMetrics::Seconds(const char* name, const char* help) {
  return Histo(registry_, name, help, Doubling(0.0005, 20));
}

EngineMetrics::EngineMetrics()
    : requests_(Counters(registry_, "quire_requests_total", "Requests that ended, by outcome")),
      rejections_(Counters(registry_, "quire_rejections_total", "Requests refused at the door")),
      prompt_tokens_(Counters(registry_, "quire_prompt_tokens_total",
                              "Prompt tokens, by where their KV came from")),
      class_tokens_(Counters(registry_, "quire_prompt_class_tokens_total",
                             "Prompt tokens, by where in a conversation they came")),
      generated_tokens_(
          Counters(registry_, "quire_generated_tokens_total", "Tokens chosen, over all choices")),
      evictions_family_(Counters(registry_, "quire_kv_evictions_total",
                                 "Idle blocks given up, by what needed the room")),
      misses_family_(Counters(registry_, "quire_prefix_miss_total",
                              "Full blocks of prompts that had to be computed, by why")),
      queue_seconds_(Seconds("quire_request_queue_seconds", "Arrival to first computation")),
      first_token_seconds_(
          Seconds("quire_time_to_first_token_seconds", "Arrival to the first token")),
      output_token_seconds_(Seconds("quire_time_per_output_token_seconds",
                                    "Mean time per token after the first, of one request")),
      inter_token_seconds_(Seconds("quire_inter_token_seconds", "Time between two tokens")),
      step_seconds_(Seconds("quire_step_seconds", "Duration of one step")),
      step_tokens_(
          Histo(registry_, "quire_step_tokens", "Rows computed in one step", Doubling(1, 14))),
      bytes_per_request_(Histo(registry_, "quire_kv_bytes_per_request",
                               "Most KV memory one sequence of a request held",
                               Doubling(64 * 1024, 18))),
      running_(Gauges(registry_, "quire_requests_running", "Sequences running").Add({})),
      waiting_(
          Gauges(registry_, "quire_requests_waiting", "Sequences waiting, one per choice").Add({})),
      evictions_{Follower(evictions_family_.Add({{"reason", "prefill"}})),
                 Follower(evictions_family_.Add({{"reason", "decode"}})),
                 Follower(evictions_family_.Add({{"reason", "purge"}}))},
      preemptions_(Counters(registry_, "quire_preemptions_total",
                            "Sequences that lost their blocks to older ones")
                       .Add({})),
      allocation_failures_(Counters(registry_, "quire_kv_allocation_failures_total",
                                    "Times that no block was free or idle")
                               .Add({})) {
  Welcome(GenerationRequest().tenant);
}

void EngineMetrics::Welcome(const std::string& tenant) {
  for (const ErrorCode code :
       {ErrorCode::kContextLength, ErrorCode::kNeverFits, ErrorCode::kOverloaded,
        ErrorCode::kQuotaExceeded, ErrorCode::kUnavailable, ErrorCode::kInvalidArgument}) {
    rejections_.Add({{"reason", ReasonOf(code)}, {kTenant, tenant}});
  }
  Of(tenant);
}

std::vector<prometheus::MetricFamily> EngineMetrics::Collect() const {
  std::vector<prometheus::MetricFamily> families = registry_.Collect();
  for (prometheus::MetricFamily& family : kv_.Collect()) families.push_back(std::move(family));
  return families;
}

EngineMetrics::Tenant& EngineMetrics::Of(const std::string& tenant) {
  if (const auto found = tenants_.find(tenant); found != tenants_.end()) return found->second;
  const auto outcome = [&](const char* name) -> Counter& {
    return requests_.Add({{"outcome", name}, {kTenant, tenant}});
  };
  const auto source = [&](const char* name) -> Counter& {
    return prompt_tokens_.Add({{"source", name}, {kTenant, tenant}});
  };
  const auto of_class = [&](const char* from) {
    std::array<Counter*, kTurnKinds> counters;
    for (size_t i = 0; i < kTurnKinds; ++i) {
      counters[i] =
          &class_tokens_.Add({{"class", kTurnNames[i]}, {"source", from}, {kTenant, tenant}});
    }
    return counters;
  };
  std::array<Counter*, kMissReasons> missed;
  for (size_t i = 0; i < kMissReasons; ++i) {
    missed[i] = &misses_family_.Add({{"reason", kMissReasonNames[i]}, {kTenant, tenant}});
  }
  const Tenant made{outcome("ok"),
                    outcome("cancelled"),
                    outcome("failed"),
                    source("ram"),
                    source("disk"),
                    source("remote"),
                    source("computed"),
                    generated_tokens_.Add({{kTenant, tenant}}),
                    missed,
                    of_class("cached"),
                    of_class("computed")};
  return tenants_.emplace(tenant, made).first->second;
}

void EngineMetrics::Rejected(ErrorCode code, const std::string& tenant) {
  rejections_.Add({{"reason", ReasonOf(code)}, {kTenant, tenant}}).Increment();
}

void EngineMetrics::Ended(const ActiveRequest& request, uint64_t block_bytes) {
  constexpr double kSecondsPerMs = 1e-3;
  const Receipt& receipt = request.receipt();
  Tenant& tenant = Of(request.request().tenant);
  Counter& outcome = request.failed()      ? tenant.failed
                     : request.cancelled() ? tenant.cancelled
                                           : tenant.ok;
  outcome.Increment();
  queue_seconds_.Observe(receipt.queue_ms * kSecondsPerMs);
  bytes_per_request_.Observe(static_cast<double>(receipt.peak_blocks) *
                             static_cast<double>(block_bytes));
  if (receipt.generated_tokens == 0) return;
  first_token_seconds_.Observe(receipt.ttft_ms * kSecondsPerMs);
  if (receipt.decode_ms_per_token > 0) {
    output_token_seconds_.Observe(receipt.decode_ms_per_token * kSecondsPerMs);
  }
}

void EngineMetrics::PromptTokens(const GenerationRequest& request, const PromptSources& tokens) {
  Tenant& tenant = Of(request.tenant);
  const auto turn = static_cast<size_t>(request.turn);
  const uint32_t disk = std::min(tokens.cached, tokens.onboarded);
  const uint32_t remote = std::min(tokens.cached - disk, tokens.brought);
  tenant.cached.Increment(tokens.cached - disk - remote);
  tenant.onboarded.Increment(disk);
  tenant.remote.Increment(remote);
  tenant.computed.Increment(tokens.computed);
  tenant.cached_of[turn]->Increment(tokens.cached);
  tenant.computed_of[turn]->Increment(tokens.computed);
}

void EngineMetrics::Missed(const std::string& tenant,
                           const std::array<uint32_t, kMissReasons>& blocks) {
  Tenant& of = Of(tenant);
  for (size_t i = 0; i < kMissReasons; ++i) of.missed[i]->Increment(blocks[i]);
}

void EngineMetrics::NotStarted(const std::string& tenant) { Of(tenant).failed.Increment(); }

void EngineMetrics::Step(double seconds, uint32_t tokens) {
  step_seconds_.Observe(seconds);
  step_tokens_.Observe(tokens);
}

void EngineMetrics::Publish(const EngineStats& stats, const CacheReport& report) {
  kv_.Set({.stats = stats,
           .places = report.places,
           .block_tokens = report.block_tokens,
           .mean_run_blocks = report.mean_run_blocks});
  running_.Set(stats.running);
  waiting_.Set(stats.waiting);
  for (size_t i = 0; i < kEvictionReasons; ++i) evictions_[i].Set(report.counts.evictions[i]);
  preemptions_.Set(stats.preemptions);
  allocation_failures_.Set(report.counts.failed_grows);
}

void EngineMetrics::PublishDisk(const KvDisk::Counts& counts) {
  if (!disk_) disk_.emplace(registry_);
  disk_->Publish(counts);
}

}  // namespace quire
