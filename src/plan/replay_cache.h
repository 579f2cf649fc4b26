// plan/replay_cache.h -- a cache of a trace's blocks, as small as an idea: which are held, and what
// is given up.
//
// A request reads its blocks: it hits as many as are held from its head on, then all its blocks are
// put in, from the tail to the head, so that of one text the head is the newest. Then the cache
// gives up what is beyond its capacity.
//
//   classic  fifo, lru, lfu, s3fifo (small tenth, main part, ghosts), and opt, which knows the
//            trace and gives up what is read again latest: no policy does better but by luck
//   leaves   the policies that the server has (cache/eviction/), which give up leaves only
//
// Threads  none. Errors  none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "plan/trace.h"

namespace quire {

class ReplayCache {
 public:
  virtual ~ReplayCache() = default;
  // The i-th request of the trace, in order. Returns the blocks that it hit.
  virtual uint32_t Read(const TraceRequest& request) = 0;
};

// The names of all, worst to best as a rule.
const std::vector<std::string>& ReplayPolicies();

// `trace` outlives the cache.
Result<std::unique_ptr<ReplayCache>> MakeReplayCache(const std::string& policy, const Trace& trace,
                                                     uint32_t capacity_blocks);

struct HitCounts {
  uint64_t prompt_tokens = 0;
  uint64_t hit_tokens = 0;
  double ratio() const {
    return prompt_tokens == 0
               ? 0
               : static_cast<double>(hit_tokens) / static_cast<double>(prompt_tokens);
  }
};

// Reads the whole trace; `progress` may be empty and is told the requests that were read.
HitCounts Replay(const Trace& trace, ReplayCache& cache,
                 const std::function<void(uint64_t)>& progress);

}  // namespace quire
