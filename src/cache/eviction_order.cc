#include "cache/eviction_order.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace quire {

EvictionOrder::EvictionOrder(const BlockPool& pool, std::unique_ptr<EvictionPolicy> policy)
    : pool_(pool),
      policy_(std::move(policy)),
      kept_places_(pool.capacity()),
      latest_places_(pool.capacity()),
      held_(pool.capacity(), Hold::kNot),
      uses_(pool.capacity()) {
  quotas_.emplace_back();
  AddHeaps();
}

void EvictionOrder::AddHeaps() {
  kept_.emplace_back(kept_places_);
  awaited_.emplace_back(kept_places_);
  latest_.emplace_back(latest_places_);
}

void EvictionOrder::AddOwner(const Quota& quota) {
  quotas_.push_back(quota);
  AddHeaps();
  policy_->AddOwner();
}

void EvictionOrder::Add(BlockId leaf, const BlockUse& use, const Keeping& keeping) {
  QUIRE_CHECK(!Holds(leaf), "E1: a leaf is held twice");
  const auto owner = Index(pool_.owner_of(leaf));
  ++num_held_;
  if (keeping.until <= use.last_use) {
    held_[Index(leaf)] = Hold::kByPolicy;
    policy_->Add(leaf, OwnerId{owner}, use);
    return;
  }
  uses_[Index(leaf)] = use;
  held_[Index(leaf)] = keeping.for_return ? Hold::kAwaited : Hold::kKept;
  (keeping.for_return ? awaited_ : kept_)[owner].Add(leaf, keeping.until);
  if (keeping.for_return) latest_[owner].Add(leaf, UINT64_MAX - keeping.until);
}

void EvictionOrder::RemoveKept(BlockId leaf, OwnerId owner) {
  if (held_[Index(leaf)] == Hold::kKept) return kept_[Index(owner)].Remove(leaf);
  awaited_[Index(owner)].Remove(leaf);
  latest_[Index(owner)].Remove(leaf);
}

void EvictionOrder::Remove(BlockId leaf) {
  QUIRE_CHECK(Holds(leaf), "E1: a leaf is not held");
  const OwnerId owner = pool_.owner_of(leaf);
  if (held_[Index(leaf)] == Hold::kByPolicy) {
    policy_->Remove(leaf, owner);
  } else {
    RemoveKept(leaf, owner);
  }
  held_[Index(leaf)] = Hold::kNot;
  --num_held_;
}

uint32_t EvictionOrder::Excess(OwnerId owner) const {
  const uint32_t used = pool_.counts(owner).used();
  return used - std::min(used, quota(owner).guaranteed_blocks);
}

double EvictionOrder::Pressure(OwnerId owner) const { return Excess(owner) / quota(owner).weight; }

BlockId EvictionOrder::Victim(OwnerId wanted_by, TickMs now) {
  OwnerId from = wanted_by;
  double most = -1;
  for (uint32_t i = 0; i < quotas_.size(); ++i) {
    const OwnerId owner{i};
    if (pool_.counts(owner).idle == 0 || Excess(owner) == 0) continue;
    if (const double pressure = Pressure(owner); pressure > most) {
      most = pressure;
      from = owner;
    }
  }
  return VictimOf(from, now);
}

void EvictionOrder::ReleaseExpired(LeafHeap& heap, OwnerId owner, TickMs now) {
  while (!heap.empty() && heap.first_key() <= now) {
    const BlockId leaf = heap.first();
    RemoveKept(leaf, owner);
    held_[Index(leaf)] = Hold::kByPolicy;
    policy_->Add(leaf, owner, uses_[Index(leaf)]);
  }
}

BlockId EvictionOrder::VictimOf(OwnerId owner, TickMs now) {
  ReleaseExpired(kept_[Index(owner)], owner, now);
  ReleaseExpired(awaited_[Index(owner)], owner, now);
  const BlockId victim = policy_->Victim(owner, now);
  if (victim != kNoBlock) return victim;
  const LeafHeap& awaited = latest_[Index(owner)];
  const LeafHeap& kept = kept_[Index(owner)];
  if (!awaited.empty()) return awaited.first();
  return kept.empty() ? kNoBlock : kept.first();
}

uint32_t EvictionOrder::Reclaimable(OwnerId wanted_by) const {
  uint32_t blocks = 0;
  for (uint32_t i = 0; i < quotas_.size(); ++i) {
    const OwnerId owner{i};
    const uint32_t idle = pool_.counts(owner).idle;
    blocks += owner == wanted_by ? idle : std::min(idle, Excess(owner));
  }
  return blocks;
}

void EvictionOrder::CheckInvariants() const {
  uint32_t held = 0;
  for (uint32_t i = 0; i < held_.size(); ++i) {
    held += held_[i] != Hold::kNot;
    QUIRE_CHECK(held_[i] == Hold::kNot || pool_.is_idle(BlockId{i}), "E2: a held block is in use");
    const bool kept = held_[i] == Hold::kKept || held_[i] == Hold::kAwaited;
    QUIRE_CHECK(kept == kept_places_.contains(BlockId{i}), "E1: kept or not");
    QUIRE_CHECK((held_[i] == Hold::kAwaited) == latest_places_.contains(BlockId{i}),
                "E1: awaited or not");
  }
  QUIRE_CHECK(held == num_held_, "E1: the count is wrong");
  for (const auto* heaps : {&kept_, &awaited_, &latest_}) {
    for (const LeafHeap& heap : *heaps) heap.CheckInvariants();
  }
}

}  // namespace quire
