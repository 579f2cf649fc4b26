// cache/block_pool.h -- which KV blocks are free, in use, idle but still worth keeping, or pinned.
//
// The pool deals in block ids. It never touches KV bytes (tier/kv_arena.h does) and never sees a
// token (prefix_cache.h does), so all of it can be tested without a model or a file.
//
// A block is always in exactly one state:
//
//   free   --Allocate--> live    --last Release, unnamed--> free
//                        live    --last Release, named----> idle     (its bytes stay valid)
//                        live    --last Release, held by a pin--> pinned
//   idle   --Acquire---> live
//   idle   --Pin-------> pinned  --last Unpin--> idle
//   pinned --Acquire---> live
//   idle   --Recycle---> free                                (its name is already gone)
//
// Each block that is not free has an owner, who pays for it: whoever it was allocated for.
//
// Consecutive ids are consecutive bytes, so a growing run is handed the id after its last one where
// that is free. A run that cannot go on, or is new, starts in a wholly free group of 64 blocks if
// there is one: sequences that grow side by side then stay out of each other's way.
//
// Invariants, proved by CheckInvariants():
//   P1  num_free + num_live + num_idle + num_pinned == capacity.
//   P2  ref_count(b) > 0 exactly when b is live; a pinned block is held by pins alone.
//   P3  the counts of all owners add up to those of the pool.
//   P4  only blocks that are not free are named, and idle and pinned ones always are.
//
// Threads  none: the engine thread owns the pool; others read its metrics snapshot.
// Errors   exhaustion is an answer (false), not an error. Misuse -- a double Release, Recycle of a
//          live block, an id out of range -- is a bug and aborts through QUIRE_CHECK.
// Cost     O(1) per block; the start of a run scans a bit per block, 64 at a time. No heap
//          allocation after construction but for new owners.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/ids.h"

namespace quire {

// How many blocks of some owner, or of all, are in each state but free.
struct BlockCounts {
  uint32_t live = 0;
  uint32_t idle = 0;
  uint32_t pinned = 0;

  uint32_t used() const { return live + idle + pinned; }
  bool operator==(const BlockCounts&) const = default;
};

// Told as blocks begin and cease to be idle. Called from within the pool's methods: it may ask the
// pool, not change it.
class IdleListener {
 public:
  virtual ~IdleListener() = default;
  virtual void OnIdle(BlockId block) = 0;
  virtual void OnTaken(BlockId block) = 0;
};

class BlockPool {
 public:
  // `listener`, if any, outlives the pool.
  explicit BlockPool(uint32_t capacity_blocks, IdleListener* listener = nullptr);
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // kFirstOwner is there from the start.
  OwnerId AddOwner();

  // Fills `out` with free blocks of `owner`, one reference each, continuing the run that ends in
  // `after` where it can, and returns true; or changes nothing and returns false. Never evicts:
  // what to give up is the caller's choice (KvCache::Grow).
  struct Wish {
    OwnerId owner = kFirstOwner;
    BlockId after = kNoBlock;
  };
  [[nodiscard]] bool Allocate(const Wish& wish, std::span<BlockId> out);

  // One reference more: a prefix hit (idle or pinned -> live) or sharing (live -> live).
  void Acquire(BlockId block);

  // One reference less. Release a sequence from its last block to its first: tails then become
  // victims before the prefixes they hang on.
  void Release(BlockId block);

  // Pins count by themselves: a block stays until the last one is gone. Named blocks only.
  void Pin(BlockId block);
  void Unpin(BlockId block);

  void SetNamed(BlockId block);    // live only; the last Release will now keep the bytes
  void SetUnnamed(BlockId block);  // with one reference: it is not kept by its last Release
  void Recycle(BlockId block);     // idle -> free

  uint32_t ref_count(BlockId block) const { return At(block).refs; }  // without pins
  uint32_t pin_count(BlockId block) const { return At(block).pins; }
  OwnerId owner_of(BlockId block) const { return At(block).owner; }  // if it is not free
  bool is_named(BlockId block) const { return At(block).named; }
  bool is_free(BlockId block) const;
  bool is_idle(BlockId block) const;

  uint32_t capacity() const { return static_cast<uint32_t>(slots_.size()); }
  uint32_t num_free() const { return num_free_; }
  uint32_t num_live() const { return all_.live; }
  uint32_t num_idle() const { return all_.idle; }
  uint32_t num_pinned() const { return all_.pinned; }
  uint32_t num_owners() const { return static_cast<uint32_t>(owners_.size()); }
  const BlockCounts& counts(OwnerId owner) const;

  void CheckInvariants() const;  // O(capacity); aborts naming the broken invariant

 private:
  struct Slot {
    uint32_t refs = 0;
    uint32_t pins = 0;
    OwnerId owner = kFirstOwner;
    bool named = false;
  };

  const Slot& At(BlockId block) const;
  Slot& At(BlockId block);
  static uint32_t BlockCounts::* StateOf(const Slot& slot);  // not for free blocks
  void Count(const Slot& slot, int change);
  template <typename Change>
  void Move(BlockId block, const Change& change);
  BlockId StartOfRun() const;  // a free block; there must be one
  void TakeFree(BlockId block);
  void PutFree(BlockId block);

  IdleListener* const listener_;
  std::vector<Slot> slots_;          // [capacity], indexed by BlockId, never resized
  std::vector<uint64_t> free_bits_;  // bit b % 64 of word b / 64: block b is free
  uint32_t num_free_ = 0;
  BlockCounts all_;
  std::vector<BlockCounts> owners_;  // by OwnerId; they add up to all_
};

}  // namespace quire
