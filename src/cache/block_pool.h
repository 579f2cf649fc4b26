// cache/block_pool.h -- which KV blocks are free, in use, or idle but still worth keeping.
//
// The pool deals in block ids. It never touches KV bytes (tier/kv_arena.h does) and never sees a
// token (prefix_cache.h does), so all of it can be tested without a model or a file.
//
// A block is always in exactly one state:
//
//   free --Allocate--> live --last Release, unnamed--> free
//                      live --last Release, named----> idle      (its bytes stay valid)
//   idle --Acquire---> live
//   idle --Recycle---> free                                      (its name is already gone)
//
// Consecutive ids are consecutive bytes, so a growing run is handed the id after its last one where
// that is free. A run that cannot go on, or is new, starts in a wholly free group of 64 blocks if
// there is one: sequences that grow side by side then stay out of each other's way.
//
// Invariants, proved by CheckInvariants():
//   P1  num_free + num_live + num_idle == capacity.
//   P2  ref_count(b) > 0 exactly when b is live.
//   P3  the idle list holds the idle blocks, longest idle first.
//   P4  only live and idle blocks are named, and idle blocks always are.
//
// Threads  none: the engine thread owns the pool; others read its metrics snapshot.
// Errors   exhaustion is an answer (false), not an error. Misuse -- a double Release, Recycle of a
//          live block, an id out of range -- is a bug and aborts through QUIRE_CHECK.
// Cost     O(1) per block; the start of a run scans a bit per block, 64 at a time. No heap
//          allocation after construction.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/ids.h"

namespace quire {

class BlockPool {
 public:
  explicit BlockPool(uint32_t capacity_blocks);
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Fills `out` with free blocks, one reference each, continuing the run that ends in `after` where
  // it can, and returns true; or changes nothing and returns false. Never evicts: what to give up
  // is the caller's choice (KvCache::Grow).
  [[nodiscard]] bool Allocate(BlockId after, std::span<BlockId> out);

  // One reference more: a prefix hit (idle -> live) or sharing (live -> live).
  void Acquire(BlockId block);

  // One reference less. Release a sequence from its last block to its first: tails then become
  // victims before the prefixes they hang on, and no tree is needed to keep that order.
  void Release(BlockId block);

  void SetNamed(BlockId block);  // live only; the last Release will now keep the bytes
  void Recycle(BlockId block);   // idle -> free

  BlockId oldest_idle() const { return idle_head_; }  // the next victim, or kNoBlock
  BlockId next_idle(BlockId block) const;             // the one after it, for checkers
  uint32_t ref_count(BlockId block) const { return At(block).refs; }
  bool is_named(BlockId block) const { return At(block).named; }
  bool is_free(BlockId block) const;

  uint32_t capacity() const { return static_cast<uint32_t>(slots_.size()); }
  uint32_t num_free() const { return num_free_; }
  uint32_t num_idle() const { return num_idle_; }
  uint32_t num_live() const { return capacity() - num_free_ - num_idle_; }

  void CheckInvariants() const;  // O(capacity); aborts naming the broken invariant

 private:
  struct Slot {
    uint32_t refs = 0;
    bool named = false;
    BlockId prev = kNoBlock;  // prev/next link the idle list; both are kNoBlock otherwise
    BlockId next = kNoBlock;
  };

  const Slot& At(BlockId block) const;
  Slot& At(BlockId block);
  BlockId StartOfRun() const;  // a free block; there must be one
  void TakeFree(BlockId block);
  void PutFree(BlockId block);
  void AppendIdle(BlockId block);
  void UnlinkIdle(BlockId block);

  std::vector<Slot> slots_;          // [capacity], indexed by BlockId, never resized
  std::vector<uint64_t> free_bits_;  // bit b % 64 of word b / 64: block b is free
  uint32_t num_free_ = 0;
  BlockId idle_head_ = kNoBlock;  // longest idle
  BlockId idle_tail_ = kNoBlock;
  uint32_t num_idle_ = 0;
};

}  // namespace quire
