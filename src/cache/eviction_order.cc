#include "cache/eviction_order.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace quire {

EvictionOrder::EvictionOrder(const BlockPool& pool, std::unique_ptr<EvictionPolicy> policy)
    : pool_(pool),
      policy_(std::move(policy)),
      kept_places_(pool.capacity()),
      held_(pool.capacity(), Hold::kNot),
      uses_(pool.capacity()) {
  quotas_.emplace_back();
  kept_.emplace_back(kept_places_);
}

void EvictionOrder::AddOwner(const Quota& quota) {
  quotas_.push_back(quota);
  kept_.emplace_back(kept_places_);
  policy_->AddOwner();
}

void EvictionOrder::Add(BlockId leaf, const BlockUse& use, TickMs keep_until) {
  QUIRE_CHECK(!Holds(leaf), "E1: a leaf is held twice");
  const OwnerId owner = pool_.owner_of(leaf);
  ++num_held_;
  if (keep_until > use.last_use) {
    held_[Index(leaf)] = Hold::kKept;
    uses_[Index(leaf)] = use;
    kept_[Index(owner)].Add(leaf, keep_until);
  } else {
    held_[Index(leaf)] = Hold::kByPolicy;
    policy_->Add(leaf, owner, use);
  }
}

void EvictionOrder::Remove(BlockId leaf) {
  QUIRE_CHECK(Holds(leaf), "E1: a leaf is not held");
  const OwnerId owner = pool_.owner_of(leaf);
  if (held_[Index(leaf)] == Hold::kKept) {
    kept_[Index(owner)].Remove(leaf);
  } else {
    policy_->Remove(leaf, owner);
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

BlockId EvictionOrder::VictimOf(OwnerId owner, TickMs now) {
  LeafHeap& kept = kept_[Index(owner)];
  while (!kept.empty() && kept.first_key() <= now) {
    const BlockId leaf = kept.first();
    kept.Remove(leaf);
    held_[Index(leaf)] = Hold::kByPolicy;
    policy_->Add(leaf, owner, uses_[Index(leaf)]);
  }
  const BlockId victim = policy_->Victim(owner, now);
  if (victim != kNoBlock || kept.empty()) return victim;
  return kept.first();
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
    QUIRE_CHECK((held_[i] == Hold::kKept) == kept_places_.contains(BlockId{i}), "E1: kept or not");
  }
  QUIRE_CHECK(held == num_held_, "E1: the count is wrong");
  for (const LeafHeap& heap : kept_) heap.CheckInvariants();
}

}  // namespace quire
