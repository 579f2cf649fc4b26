#include "cache/eviction/adaptive_policy.h"

namespace quire {

void AdaptivePolicy::AddOwner() {
  lru_.AddOwner();
  scored_.AddOwner();
}

void AdaptivePolicy::Add(BlockId leaf, OwnerId owner, const BlockUse& use) {
  lru_.Add(leaf, owner, use);
  scored_.Add(leaf, owner, use);
}

void AdaptivePolicy::Remove(BlockId leaf, OwnerId owner) {
  lru_.Remove(leaf, owner);
  scored_.Remove(leaf, owner);
}

BlockId AdaptivePolicy::Victim(OwnerId owner, TickMs now) {
  return follows_lru() ? lru_.Victim(owner, now) : scored_.Victim(owner, now);
}

}  // namespace quire
