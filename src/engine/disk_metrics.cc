#include "engine/disk_metrics.h"

#include <string>

namespace quire {
namespace {

Follower Follow(prometheus::Registry& registry, const char* name, const char* help,
                prometheus::Labels labels) {
  labels.emplace("tier", "disk");
  return Follower(prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels));
}

Follower Trouble(prometheus::Registry& registry, DiskTrouble trouble) {
  return Follow(registry, "quire_tier_errors_total",
                "Reads and writes of a tier that failed, by why",
                {{"reason", std::string(DiskTroubleName(trouble))}});
}

Follower Spans(prometheus::Registry& registry, const char* decision) {
  return Follow(registry, "quire_tier_spans_total",
                "Prompts that a tier could go on, by what was measured to be faster",
                {{"decision", decision}});
}

Follower LostBlocks(prometheus::Registry& registry, const char* reason) {
  return Follow(registry, "quire_tier_lost_blocks_total",
                "Blocks that a tier does not have, or did not give, by why", {{"reason", reason}});
}

}  // namespace

DiskMetrics::DiskMetrics(prometheus::Registry& registry)
    : read_(Follow(registry, "quire_tier_read_bytes_total", "Bytes of KV read, by tier", {})),
      written_(
          Follow(registry, "quire_tier_write_bytes_total", "Bytes of KV written, by tier", {})),
      cached_(Follow(registry, "quire_tier_page_cache_bytes_total",
                     "Bytes of KV read that the system still had in its page cache, by tier", {})),
      troubles_{Trouble(registry, DiskTrouble::kIo), Trouble(registry, DiskTrouble::kFull),
                Trouble(registry, DiskTrouble::kCorrupt), Trouble(registry, DiskTrouble::kGone)},
      loaded_(Spans(registry, "load")),
      computed_(Spans(registry, "compute")),
      ahead_(Follow(registry, "quire_tier_overlapped_spans_total",
                    "Prompts that a tier went on, computed while later layers were still read",
                    {})),
      failed_(LostBlocks(registry, "not_read")),
      lost_(LostBlocks(registry, "not_written")),
      evicted_(LostBlocks(registry, "evicted")),
      paused_(prometheus::BuildGauge()
                  .Name("quire_tier_paused")
                  .Help("1 while a tier takes nothing")
                  .Register(registry)
                  .Add({{"tier", "disk"}})) {}

void DiskMetrics::Publish(const KvDisk::Counts& counts) {
  read_.Set(counts.tier.read_bytes);
  written_.Set(counts.tier.write_bytes);
  cached_.Set(counts.tier.cached_read_bytes);
  for (size_t i = 0; i < kDiskTroubles; ++i) troubles_[i].Set(counts.tier.troubles[i]);
  loaded_.Set(counts.onboard.loaded_spans);
  computed_.Set(counts.onboard.computed_spans);
  ahead_.Set(counts.onboard.ahead_spans);
  failed_.Set(counts.onboard.failed_blocks);
  lost_.Set(counts.lost_blocks + counts.tier.dropped_blocks);
  evicted_.Set(counts.tier.evicted_blocks);
  paused_.Set(counts.tier.paused ? 1 : 0);
}

}  // namespace quire
