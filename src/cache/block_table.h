// cache/block_table.h -- where a sequence's KV lies: its block ids, in the order of its tokens.
//
// The first `num_named` blocks are full and known to the prefix cache, hence immutable; those after
// them belong to this sequence, or to it and those forked from it.
//
// Threads  none. Owner  whoever filled it through KvCache must give it back with KvCache::Release.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "cache/ids.h"

namespace quire {

class BlockTable {
 public:
  explicit BlockTable(OwnerId owner = kFirstOwner, bool goes_below = true)
      : goes_below_(goes_below), owner_(owner) {}

  OwnerId owner() const { return owner_; }  // who pays for the blocks that Grow adds
  // Whether a tier below memory may have the blocks that it makes findable.
  bool goes_below() const { return goes_below_; }
  void SetGoesBelow(bool goes_below) { goes_below_ = goes_below; }
  uint32_t size() const { return static_cast<uint32_t>(blocks_.size()); }
  bool empty() const { return blocks_.empty(); }
  BlockId operator[](uint32_t i) const {
    QUIRE_CHECK(i < blocks_.size());
    return BlockId{blocks_[i]};
  }
  BlockId last() const { return empty() ? kNoBlock : BlockId{blocks_.back()}; }
  uint32_t num_named() const { return num_named_; }
  // Blocks of which the eviction policy knows that this text uses them.
  uint32_t num_noted() const { return num_noted_; }

  // As the kernels read it. Valid until the table changes.
  std::span<const uint32_t> indices() const { return blocks_; }

  // Stretches of consecutive ids: 1 is ideal, size() the worst.
  uint32_t num_runs() const {
    uint32_t runs = empty() ? 0 : 1;
    for (uint32_t i = 1; i < size(); ++i) runs += blocks_[i] != blocks_[i - 1] + 1;
    return runs;
  }

  void Reserve(uint32_t num_blocks) { blocks_.reserve(num_blocks); }
  void Append(BlockId block) { blocks_.push_back(Index(block)); }
  void Replace(uint32_t i, BlockId block) {
    QUIRE_CHECK(i < blocks_.size());
    blocks_[i] = Index(block);
  }
  void RemoveLast() {
    QUIRE_CHECK(!blocks_.empty());
    blocks_.pop_back();
    if (num_named_ > size()) num_named_ = size();
    if (num_noted_ > size()) num_noted_ = size();
  }
  void SetNumNamed(uint32_t count) {
    QUIRE_CHECK(count <= size());
    num_named_ = count;
  }
  void SetNumNoted(uint32_t count) { num_noted_ = count; }

 private:
  std::vector<uint32_t> blocks_;  // Index() of each
  uint32_t num_named_ = 0;
  uint32_t num_noted_ = 0;
  bool goes_below_;
  OwnerId owner_;
};

}  // namespace quire
