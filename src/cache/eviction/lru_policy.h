// cache/eviction/lru_policy.h -- gives up the leaf that has been idle longest.
//
// Sequences are released from the tail, so of one text the tail goes first and its head last.
//
// Cost     O(log leaves).
#pragma once

#include <vector>

#include "cache/eviction/eviction_policy.h"
#include "cache/eviction/leaf_heap.h"

namespace quire {

class LruPolicy : public EvictionPolicy {
 public:
  explicit LruPolicy(uint32_t capacity_blocks);

  void AddOwner() override { heaps_.emplace_back(places_); }
  void Add(BlockId leaf, OwnerId owner, const BlockUse& use) override;
  void Remove(BlockId leaf, OwnerId owner) override;
  BlockId Victim(OwnerId owner, TickMs now) override;

 private:
  LeafPlaces places_;
  std::vector<LeafHeap> heaps_;  // by owner
};

}  // namespace quire
