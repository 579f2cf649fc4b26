// cache/quota.h -- what an owner was promised of the KV memory, and what it may have at most.
//
//   guaranteed  blocks that nobody else can take away while they are used
//   limit       blocks it may use in all
//   pinned      of those, blocks that pins may hold
//   weight      its share of what is above the guarantees, when that is contended
#pragma once

#include <cstdint>

namespace quire {

inline constexpr uint32_t kNoLimit = 0xffffffff;

struct Quota {
  uint32_t guaranteed_blocks = 0;
  uint32_t limit_blocks = kNoLimit;
  uint32_t pinned_blocks = kNoLimit;
  double weight = 1;  // > 0
};

}  // namespace quire
