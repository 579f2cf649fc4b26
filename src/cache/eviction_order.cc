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
      uses_(pool.capacity()),
      awaited_until_(pool.capacity()) {
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

void EvictionOrder::Hand(BlockId leaf, OwnerId owner) {
  held_[Index(leaf)] = Hold::kByPolicy;
  policy_->Add(leaf, owner, uses_[Index(leaf)]);
}

void EvictionOrder::HoldAwaited(BlockId leaf, OwnerId owner) {
  const TickMs until = awaited_until_[Index(leaf)];
  held_[Index(leaf)] = Hold::kAwaited;
  awaited_[Index(owner)].Add(leaf, until);
  latest_[Index(owner)].Add(leaf, UINT64_MAX - until);
}

void EvictionOrder::Add(BlockId leaf, const BlockUse& use, const Keeping& keeping) {
  QUIRE_CHECK(!Holds(leaf), "E1: a leaf is held twice");
  const OwnerId owner = pool_.owner_of(leaf);
  ++num_held_;
  uses_[Index(leaf)] = use;
  awaited_until_[Index(leaf)] = keeping.awaited_until;
  if (keeping.kept_until > use.last_use) {
    held_[Index(leaf)] = Hold::kKept;
    kept_[Index(owner)].Add(leaf, keeping.kept_until);
  } else if (keeping.awaited_until > use.last_use) {
    HoldAwaited(leaf, owner);
  } else {
    Hand(leaf, owner);
  }
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

void EvictionOrder::ReleaseExpired(OwnerId owner, TickMs now) {
  LeafHeap& kept = kept_[Index(owner)];
  while (!kept.empty() && kept.first_key() <= now) {
    const BlockId leaf = kept.first();
    kept.Remove(leaf);
    awaited_until_[Index(leaf)] > now ? HoldAwaited(leaf, owner) : Hand(leaf, owner);
  }
  LeafHeap& awaited = awaited_[Index(owner)];
  while (!awaited.empty() && awaited.first_key() <= now) {
    const BlockId leaf = awaited.first();
    RemoveKept(leaf, owner);
    Hand(leaf, owner);
  }
}

BlockId EvictionOrder::VictimOf(OwnerId owner, TickMs now) {
  ReleaseExpired(owner, now);
  const BlockId victim = policy_->Victim(owner, now);
  if (victim != kNoBlock) return victim;
  const LeafHeap& awaited = latest_[Index(owner)];
  const LeafHeap& kept = kept_[Index(owner)];
  if (!awaited.empty()) return awaited.first();
  return kept.empty() ? kNoBlock : kept.first();
}

uint32_t EvictionOrder::Reclaimable(OwnerId wanted_by) const {
  return pool_.counts(wanted_by).idle + ReclaimableOfOthers(wanted_by);
}

uint32_t EvictionOrder::ReclaimableOfOthers(OwnerId wanted_by) const {
  uint32_t blocks = 0;
  for (uint32_t i = 0; i < quotas_.size(); ++i) {
    const OwnerId owner{i};
    if (owner != wanted_by) blocks += std::min(pool_.counts(owner).idle, Excess(owner));
  }
  return blocks;
}

uint32_t EvictionOrder::InUseBeyond(OwnerId owner) const {
  const uint32_t excess = Excess(owner);
  return excess - std::min(excess, pool_.counts(owner).idle);
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
