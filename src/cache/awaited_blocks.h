// cache/awaited_blocks.h -- how many idle blocks are kept for a tool's return whose time is not
// over.
//
// Threads  none. Errors  none. Cost  O(log blocks).
#pragma once

#include <cstdint>
#include <vector>

#include "cache/eviction/leaf_heap.h"
#include "cache/ids.h"

namespace quire {

class AwaitedBlocks {
 public:
  explicit AwaitedBlocks(uint32_t capacity_blocks) : places_(capacity_blocks) { AddOwner(); }

  void AddOwner() { blocks_.emplace_back(places_); }
  void Add(BlockId block, OwnerId owner, TickMs until) { blocks_[Index(owner)].Add(block, until); }
  void Remove(BlockId block, OwnerId owner) {  // unless it is not there
    if (places_.contains(block)) blocks_[Index(owner)].Remove(block);
  }
  bool Has(BlockId block) const { return places_.contains(block); }
  // Forgets those that were kept until `now` at most.
  void Expire(TickMs now);
  uint32_t count(OwnerId owner) const { return blocks_[Index(owner)].size(); }

 private:
  LeafPlaces places_;
  std::vector<LeafHeap> blocks_;  // by owner; the key is the time
};

}  // namespace quire
