// plan/classic_caches.h -- policies to compare with, over blocks without structure.
#pragma once

#include <memory>

#include "plan/replay_cache.h"

namespace quire {

std::unique_ptr<ReplayCache> MakeFifoCache(const Trace& trace, uint32_t capacity_blocks);
// The least often used; of those the longest unused. What is given up is forgotten.
std::unique_ptr<ReplayCache> MakeLfuCache(const Trace& trace, uint32_t capacity_blocks);
std::unique_ptr<ReplayCache> MakeS3FifoCache(const Trace& trace, uint32_t capacity_blocks);
std::unique_ptr<ReplayCache> MakeOptimalCache(const Trace& trace, uint32_t capacity_blocks);

}  // namespace quire
