#include "cache/eviction/make_policy.h"

#include <algorithm>

#include "cache/eviction/adaptive_policy.h"
#include "cache/eviction/lru_policy.h"
#include "cache/eviction/scored_policy.h"

namespace quire {

std::optional<EvictionKind> EvictionKindNamed(std::string_view name) {
  if (name == "auto") return EvictionKind::kAuto;
  if (name == "lru") return EvictionKind::kLru;
  if (name == "scored") return EvictionKind::kScored;
  return std::nullopt;
}

std::unique_ptr<EvictionPolicy> MakeEvictionPolicy(EvictionKind kind, uint32_t capacity_blocks,
                                                   uint32_t num_ids) {
  switch (kind) {
    case EvictionKind::kLru:
      return std::make_unique<LruPolicy>(std::max(capacity_blocks, num_ids));
    case EvictionKind::kScored:
      return std::make_unique<ScoredPolicy>(capacity_blocks, num_ids);
    case EvictionKind::kAuto:
      break;
  }
  return std::make_unique<AdaptivePolicy>(capacity_blocks, num_ids);
}

}  // namespace quire
