// cache/eviction_order.h -- whose idle block is given up next, and which.
//
//   whose   of the owners who use more than they were guaranteed, the one with the most beyond it
//           by its weight; the owner who wants the block takes part, and its own blocks are the
//           last resort. What is within another's guarantee is never touched.
//   which   a leaf that its policy chooses; leaves that were to be kept until some time only when
//           there are no others: first those of conversations that a tool will go on with, then
//           those that a client wanted kept, the earliest time first
//
// Of conversations that come back about equally late, the one that left last will be the last to be
// back: it is the first to go. So some stay whole where there is no room for all, and are found; in
// the order of a queue each would be lost just before its return.
//
// So a flood of one owner cannot evict what another was guaranteed, and a wish to keep a block
// costs whoever has it and nobody else.
//
// Invariants (CheckInvariants, with those of KvCache):
//   E1  every idle block without children is held once: by the policy or among the kept ones.
//   E2  nothing else is held.
//
// Threads  none. Errors  none. Cost  O(owners) + O(log leaves).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cache/block_pool.h"
#include "cache/eviction/eviction_policy.h"
#include "cache/eviction/leaf_heap.h"
#include "cache/quota.h"

namespace quire {

// Until when a block is to be kept; 0: nobody asked.
struct Keeping {
  TickMs kept_until = 0;     // as a client wants
  TickMs awaited_until = 0;  // the conversation probably goes on by then, when a tool comes back
};

class EvictionOrder {
 public:
  // `pool` outlives it and is only read.
  EvictionOrder(const BlockPool& pool, std::unique_ptr<EvictionPolicy> policy);

  void AddOwner(const Quota& quota);
  void SetQuota(OwnerId owner, const Quota& quota) { quotas_[Index(owner)] = quota; }
  const Quota& quota(OwnerId owner) const { return quotas_[Index(owner)]; }

  void Add(BlockId leaf, const BlockUse& use, const Keeping& keeping);
  void Remove(BlockId leaf);
  void NoteText(const TextNote& text, TickMs now) { policy_->NoteText(text, now); }
  bool Holds(BlockId leaf) const { return held_[Index(leaf)] != Hold::kNot; }

  // The next victim for a block that `wanted_by` wants; kNoBlock if there is none.
  BlockId Victim(OwnerId wanted_by, TickMs now);
  // The next victim among an owner's own.
  BlockId VictimOf(OwnerId owner, TickMs now);

  // How many idle blocks could be evicted for `wanted_by`; how many of them are of others.
  uint32_t Reclaimable(OwnerId wanted_by) const;
  uint32_t ReclaimableOfOthers(OwnerId wanted_by) const;
  // Blocks beyond the owner's guarantee that are in use, so that nobody can have them.
  uint32_t InUseBeyond(OwnerId owner) const;
  // Of blocks used beyond the guarantee, by weight.
  double Pressure(OwnerId owner) const;

  uint32_t num_held() const { return num_held_; }
  void CheckInvariants() const;

 private:
  enum class Hold : uint8_t { kNot, kByPolicy, kKept, kAwaited };
  void AddHeaps();
  void Hand(BlockId leaf, OwnerId owner);  // to the policy
  void HoldAwaited(BlockId leaf, OwnerId owner);
  void ReleaseExpired(OwnerId owner, TickMs now);
  void RemoveKept(BlockId leaf, OwnerId owner);
  uint32_t Excess(OwnerId owner) const;

  const BlockPool& pool_;
  std::unique_ptr<EvictionPolicy> policy_;
  std::vector<Quota> quotas_;  // by owner
  LeafPlaces kept_places_;
  LeafPlaces latest_places_;
  std::vector<LeafHeap> kept_;     // by owner, as clients want; the key is the time
  std::vector<LeafHeap> awaited_;  // by owner, for tools; the key is the time
  std::vector<LeafHeap> latest_;   // the same leaves, latest first
  std::vector<Hold> held_;         // by block
  // Of leaves, by block: for when the time to keep them is over.
  std::vector<BlockUse> uses_;
  std::vector<TickMs> awaited_until_;
  uint32_t num_held_ = 0;
};

}  // namespace quire
