#include "engine/kv_metrics.h"

#include <utility>

namespace quire {

namespace {

using prometheus::MetricFamily;

MetricFamily GaugeFamily(const char* name, const char* help) {
  MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Gauge;
  return family;
}

void Add(MetricFamily& family, double value, const char* label = "", const char* of = "") {
  prometheus::ClientMetric metric;
  if (*label != '\0') metric.label.push_back({label, of});
  metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
}

}  // namespace

void KvMetrics::Set(const KvState& state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
}

std::vector<MetricFamily> KvMetrics::Collect() const {
  KvState state;
  {
    const std::lock_guard lock(mutex_);
    state = state_;
  }
  const EngineStats& stats = state.stats;
  MetricFamily blocks = GaugeFamily("quire_kv_blocks", "Blocks of KV memory, by state");
  Add(blocks, stats.free_blocks, "state", "free");
  Add(blocks, stats.live_blocks, "state", "live");
  Add(blocks, stats.idle_blocks, "state", "idle");
  Add(blocks, stats.pinned_blocks, "state", "pinned");
  MetricFamily bytes = GaugeFamily("quire_kv_bytes", "Bytes of KV held");
  Add(bytes, static_cast<double>((stats.blocks - stats.free_blocks) * stats.block_bytes), "tier",
      "ram");
  if (stats.disk_bytes > 0) Add(bytes, static_cast<double>(stats.disk_bytes), "tier", "disk");
  const KvPlaces& places = state.places;
  const uint64_t all = uint64_t{stats.live_blocks} * state.block_tokens;
  MetricFamily tokens = GaugeFamily(
      "quire_kv_tokens", "Places for tokens in live blocks: with KV, to be computed, or too many");
  Add(tokens, static_cast<double>(all - places.reserved - places.waste), "state", "used");
  Add(tokens, static_cast<double>(places.reserved), "state", "reserved");
  Add(tokens, static_cast<double>(places.waste), "state", "waste");
  MetricFamily runs =
      GaugeFamily("quire_kv_contiguous_run_blocks",
                  "Mean length of runs of consecutive blocks, of sequences that ended lately");
  Add(runs, state.mean_run_blocks);
  return {std::move(blocks), std::move(bytes), std::move(tokens), std::move(runs)};
}

}  // namespace quire
