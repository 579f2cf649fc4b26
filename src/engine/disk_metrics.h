// engine/disk_metrics.h -- what the disk below the arena has done.
//
// Threads  the engine thread; collecting may happen at any time.
#pragma once

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <array>

#include "engine/disk/kv_disk.h"
#include "engine/follower.h"

namespace quire {

class DiskMetrics {
 public:
  explicit DiskMetrics(prometheus::Registry& registry);
  void Publish(const KvDisk::Counts& counts);

 private:
  Follower read_;
  Follower written_;
  Follower cached_;
  std::array<Follower, kDiskTroubles> troubles_;
  Follower loaded_;
  Follower computed_;
  Follower ahead_;
  Follower failed_;
  Follower lost_;
  Follower evicted_;
  prometheus::Gauge& paused_;
};

}  // namespace quire
