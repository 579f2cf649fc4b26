#include "plan/replay_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cache/eviction/make_policy.h"
#include "plan/classic_caches.h"
#include "plan/leaf_cache.h"

namespace quire {

const std::vector<std::string>& ReplayPolicies() {
  static const std::vector<std::string> kNames{"fifo", "lfu",    "s3fifo", "lru",
                                               "auto", "scored", "opt"};
  return kNames;
}

Result<std::unique_ptr<ReplayCache>> MakeReplayCache(const std::string& policy, const Trace& trace,
                                                     uint32_t capacity_blocks) {
  if (policy == "fifo") return MakeFifoCache(trace, capacity_blocks);
  if (policy == "lfu") return MakeLfuCache(trace, capacity_blocks);
  if (policy == "s3fifo") return MakeS3FifoCache(trace, capacity_blocks);
  if (policy == "opt") return MakeOptimalCache(trace, capacity_blocks);
  if (const auto kind = EvictionKindNamed(policy)) {
    return std::make_unique<LeafCache>(trace, capacity_blocks, *kind);
  }
  return Refuse(ErrorCode::kInvalidArgument, fmt::format("there is no policy '{}'", policy));
}

HitCounts Replay(const Trace& trace, ReplayCache& cache,
                 const std::function<void(uint64_t)>& progress) {
  HitCounts counts;
  uint64_t done = 0;
  for (const TraceRequest& request : trace.requests) {
    const uint64_t hit = uint64_t{cache.Read(request)} * trace.block_tokens;
    counts.hit_tokens += std::min<uint64_t>(hit, request.prompt_tokens);
    counts.prompt_tokens += request.prompt_tokens;
    if (progress) progress(++done);
  }
  return counts;
}

}  // namespace quire
