#include "cache/eviction/lru_policy.h"

namespace quire {

LruPolicy::LruPolicy(uint32_t capacity_blocks) : places_(capacity_blocks) { AddOwner(); }

void LruPolicy::Add(BlockId leaf, OwnerId owner, const BlockUse& use) {
  heaps_[Index(owner)].Add(leaf, use.serial);
}

void LruPolicy::Remove(BlockId leaf, OwnerId owner) { heaps_[Index(owner)].Remove(leaf); }

BlockId LruPolicy::Victim(OwnerId owner, TickMs) {
  const LeafHeap& heap = heaps_[Index(owner)];
  return heap.empty() ? kNoBlock : heap.first();
}

}  // namespace quire
