// cache/eviction/leaf_heap.h -- blocks in the order of a key, with removal from anywhere.
//
// A binary heap that knows where in it each block is. Several heaps can share one array of places,
// as long as a block is in one of them only.
//
// Threads  none. Errors  adding a block twice or removing one that is absent is a bug.
// Cost     O(log size); allocates only to grow.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/ids.h"

namespace quire {

// [capacity of the pool], by block: its index in the heap that holds it, or kNowhere.
class LeafPlaces {
 public:
  static constexpr uint32_t kNowhere = 0xffffffff;
  explicit LeafPlaces(uint32_t capacity_blocks) : places_(capacity_blocks, kNowhere) {}
  uint32_t& operator[](BlockId block) { return places_[Index(block)]; }
  bool contains(BlockId block) const { return places_[Index(block)] != kNowhere; }

 private:
  std::vector<uint32_t> places_;
};

class LeafHeap {
 public:
  explicit LeafHeap(LeafPlaces& places) : places_(&places) {}  // which outlives the heap

  void Add(BlockId block, uint64_t key);
  void Remove(BlockId block);

  bool empty() const { return items_.empty(); }
  uint32_t size() const { return static_cast<uint32_t>(items_.size()); }
  BlockId first() const { return items_.front().block; }  // of the smallest key; not if empty
  uint64_t first_key() const { return items_.front().key; }

  void CheckInvariants() const;

 private:
  struct Item {
    uint64_t key;
    BlockId block;
  };
  void Put(uint32_t at, const Item& item);
  void Rise(uint32_t at, const Item& item);
  void Sink(uint32_t at, const Item& item);

  LeafPlaces* places_;
  std::vector<Item> items_;
};

}  // namespace quire
