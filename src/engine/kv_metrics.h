// engine/kv_metrics.h -- gauges of KV memory, scraped as they all were at one moment.
//
//   blocks   free + live + idle + pinned = all there are; free + idle are the headroom
//   tokens   used + reserved + waste = live blocks x tokens of a block
//
// Gauges that are set one after the other would not add up in a scrape that comes between two.
//
// Threads  Set: the engine thread. Collect: any; it holds Set up while some numbers are copied.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <mutex>
#include <vector>

#include "engine/engine.h"
#include "sched/scheduler.h"

namespace quire {

struct KvState {
  EngineStats stats;
  KvPlaces places;
  uint32_t block_tokens = 0;
  double mean_run_blocks = 0;  // consecutive blocks per run, of sequences that ended lately
};

class KvMetrics : public prometheus::Collectable {
 public:
  void Set(const KvState& state);
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  mutable std::mutex mutex_;
  KvState state_;
};

}  // namespace quire
