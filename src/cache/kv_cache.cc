#include "cache/kv_cache.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "base/check.h"
#include "cache/eviction/lru_policy.h"

namespace quire {

namespace {

std::unique_ptr<EvictionPolicy> PolicyOr(std::unique_ptr<EvictionPolicy> policy,
                                         uint32_t capacity_blocks) {
  if (policy != nullptr) return policy;
  return std::make_unique<LruPolicy>(capacity_blocks);
}

}  // namespace

KvCache::KvCache(const KvCacheOptions& options, std::unique_ptr<EvictionPolicy> policy)
    : options_(options),
      pool_(options.capacity_blocks, this),
      prefixes_(pool_, options.block_tokens, options.name_bits),
      order_(pool_, PolicyOr(std::move(policy), options.capacity_blocks)),
      uses_(options.capacity_blocks),
      keeping_(options.capacity_blocks),
      awaited_(options.capacity_blocks),
      fingerprints_(options.capacity_blocks),
      grown_(options.capacity_blocks),
      noted_names_(options.capacity_blocks),
      noted_uses_(options.capacity_blocks),
      pinned_(1) {}

OwnerId KvCache::AddOwner(const Quota& quota) {
  QUIRE_CHECK(quota.weight > 0);
  order_.AddOwner(quota);
  awaited_.AddOwner();
  pinned_.push_back(0);
  return pool_.AddOwner();
}

void KvCache::SetTime(TickMs now) {
  QUIRE_CHECK(now >= now_, "time went back");
  now_ = now;
  awaited_.Expire(now);
}

uint32_t KvCache::Match(const BlockNames& names, std::span<const TokenId> tokens,
                        BlockTable& table) {
  const uint32_t found = prefixes_.Match(names, tokens, table);
  QUIRE_CHECK(found == 0 || found < tokens.size());
  return found;
}

uint32_t KvCache::CountCached(const BlockNames& names, std::span<const TokenId> tokens) const {
  return prefixes_.CountCached(names, tokens);
}

void KvCache::Fork(const BlockTable& from, uint32_t num_blocks, BlockTable& to) {
  QUIRE_CHECK(to.empty() && num_blocks <= from.size());
  for (uint32_t i = 0; i < num_blocks; ++i) {
    pool_.Acquire(from[i]);
    to.Append(from[i]);
  }
  to.SetNumNamed(num_blocks < from.num_named() ? num_blocks : from.num_named());
  to.SetNumNoted(num_blocks);
}

bool KvCache::Grow(BlockTable& table, uint32_t num_tokens, EvictionReason reason) {
  const uint32_t wanted = BlocksFor(num_tokens);
  if (wanted <= table.size()) return true;
  const uint32_t missing = wanted - table.size();
  const OwnerId owner = table.owner();
  if (missing > available(owner)) {
    ++counts_.failed_grows;
    return false;
  }
  const uint64_t limit = quota(owner).limit_blocks;
  while (uint64_t{pool_.counts(owner).used()} + missing > limit) {
    Evict(order_.VictimOf(owner, now_), reason, owner);
  }
  while (pool_.num_free() < missing) {
    const BlockId victim = order_.Victim(owner, now_);
    QUIRE_CHECK(victim != kNoBlock, "E1: what is reclaimable cannot be reclaimed");
    counts_.foreign_evictions += pool_.owner_of(victim) != owner;
    Evict(victim, reason, owner);
  }
  const std::span<BlockId> blocks = std::span(grown_).first(missing);
  QUIRE_CHECK(pool_.Allocate({owner, table.last()}, blocks));
  for (const BlockId block : blocks) table.Append(block);
  return true;
}

uint32_t KvCache::available(OwnerId owner) const {
  const BlockCounts& own = pool_.counts(owner);
  const uint32_t held = own.used() - own.idle;
  const uint32_t limit = quota(owner).limit_blocks;
  return std::min(pool_.num_free() + order_.Reclaimable(owner), limit - std::min(limit, held));
}

bool KvCache::IsWithinLimit(OwnerId owner, uint32_t blocks) const {
  const BlockCounts& own = pool_.counts(owner);
  return uint64_t{own.live} + own.pinned + blocks <= quota(owner).limit_blocks;
}

bool KvCache::CostsGuaranteed(OwnerId owner, uint32_t blocks) const {
  const uint64_t used = pool_.counts(owner).used();
  return used + blocks <= quota(owner).guaranteed_blocks && growth_without_own(owner) < blocks;
}

uint32_t KvCache::attainable(OwnerId owner) const {
  uint64_t theirs = 0;
  for (uint32_t i = 0; i < pool_.num_owners(); ++i) {
    const OwnerId other{i};
    if (other == owner) continue;
    theirs += std::max(quota(other).guaranteed_blocks, pool_.counts(other).pinned);
  }
  const uint32_t capacity = pool_.capacity();
  const uint32_t left = theirs < capacity ? capacity - static_cast<uint32_t>(theirs) : 0;
  return std::min(left, quota(owner).limit_blocks);
}

SeenBlocks::Finding KvCache::WhyMissed(const BlockNames& names, std::span<const TokenId> tokens,
                                       uint32_t i) const {
  const uint64_t fingerprint = names.FingerprintOf(i, tokens, options_.block_tokens);
  return seen_.Find({fingerprint, static_cast<uint32_t>(HashOf(names.RootOf(i)))});
}

void KvCache::NoteSeen(BlockId block, SeenBlocks::Fate fate) {
  const auto root = static_cast<uint32_t>(HashOf(prefixes_.root_of(block)));
  seen_.Note({fingerprints_[Index(block)], root}, pool_.owner_of(block), fate, now_);
}

void KvCache::Evict(BlockId victim, EvictionReason reason, OwnerId wanted_by) {
  QUIRE_CHECK(victim != kNoBlock);
  const bool own = pool_.owner_of(victim) == wanted_by;
  NoteSeen(victim, own ? SeenBlocks::Fate::kEvictedOwn : SeenBlocks::Fate::kEvictedOutside);
  const BlockId parent = prefixes_.parent_of(victim);
  (void)prefixes_.Forget(victim);
  awaited_.Remove(victim, pool_.owner_of(victim));
  pool_.Recycle(victim);
  if (parent != kNoBlock && IsOrdered(parent)) {
    order_.Add(parent, uses_[Index(parent)], keeping_[Index(parent)]);
  }
  ++counts_.evictions[static_cast<size_t>(reason)];
}

bool KvCache::IsOrdered(BlockId block) const {
  return pool_.is_idle(block) && prefixes_.num_children(block) == 0;
}

void KvCache::OnIdle(BlockId block) {
  const TickMs awaited_until = keeping_[Index(block)].awaited_until;
  if (awaited_until > now_) awaited_.Add(block, pool_.owner_of(block), awaited_until);
  uses_[Index(block)].serial = ++last_serial_;
  if (IsOrdered(block)) order_.Add(block, uses_[Index(block)], keeping_[Index(block)]);
}

void KvCache::OnTaken(BlockId block) {
  awaited_.Remove(block, pool_.owner_of(block));
  if (order_.Holds(block)) order_.Remove(block);
}

void KvCache::Commit(const BlockNames& names, std::span<const TokenId> tokens,
                     uint32_t computed_tokens, BlockTable& table) {
  NoteText(names, tokens, table);
  const uint32_t first = table.num_named();
  // Where an equal block takes the place of ours, it has a history of its own.
  for (uint32_t i = first; i < table.size(); ++i) grown_[i] = table[i];
  prefixes_.Commit(names, tokens, computed_tokens, table);
  for (uint32_t i = first; i < table.num_named(); ++i) {
    if (table[i] != grown_[i]) continue;
    keeping_[Index(table[i])] = {};
    fingerprints_[Index(table[i])] = names.FingerprintOf(i, tokens, options_.block_tokens);
    NoteSeen(table[i], SeenBlocks::Fate::kHere);
    if (listener_ != nullptr && table.goes_below()) {
      listener_->OnCommitted({names, tokens, table, i, i + 1});
    }
  }
}

// A text is read once, however often it was looked up before it could start: when its first tokens
// were computed. What it generates is noted as it grows.
void KvCache::NoteText(const BlockNames& names, std::span<const TokenId> tokens,
                       BlockTable& table) {
  const uint32_t full = static_cast<uint32_t>(tokens.size() / options_.block_tokens);
  const uint32_t first = table.num_noted();
  const uint32_t end = std::min(full, table.size());
  if (end <= first) return;
  const uint32_t found = first == 0 ? table.num_named() : 0;
  // A first block alone is no conversation: many texts begin alike.
  uint32_t turn = found < 2 ? 0 : uses_[Index(table[found - 1])].turn + 1;
  if (first > 0) turn = uses_[Index(table[first - 1])].turn;
  for (uint32_t i = first; i < end; ++i) {
    noted_names_[i - first] = HashOf(names.Of(i, tokens, options_.block_tokens));
    noted_uses_[i - first] = {.last_use = now_,
                              .hits = i < found ? uses_[Index(table[i])].hits + 1 : 0,
                              .turn = turn,
                              .depth = i,
                              .tail = first == 0 && i + 1 == end};
  }
  const std::span<BlockUse> uses = std::span(noted_uses_).first(end - first);
  order_.NoteText({.names = std::span(noted_names_).first(end - first),
                   .uses = uses,
                   .found = found,
                   .starts = first == 0},
                  now_);
  for (uint32_t i = first; i < end; ++i) uses_[Index(table[i])] = uses[i - first];
  table.SetNumNoted(end);
}

void KvCache::Keep(const BlockTable& table, const Keeping& keeping) {
  for (uint32_t i = 0; i < table.num_named(); ++i) {
    Keeping& before = keeping_[Index(table[i])];
    before.kept_until = std::max(before.kept_until, keeping.kept_until);
    before.awaited_until = std::max(before.awaited_until, keeping.awaited_until);
  }
}

bool KvCache::Pin(const BlockTable& table, uint32_t num_blocks, PinId& pin) {
  QUIRE_CHECK(num_blocks <= table.num_named(), "only named blocks can be pinned");
  std::vector<uint32_t> fresh(pinned_.size());  // by owner: a public prefix is another's
  std::vector<BlockId> blocks;
  for (uint32_t i = 0; i < num_blocks; ++i) {
    blocks.push_back(table[i]);
    fresh[Index(pool_.owner_of(table[i]))] += pool_.pin_count(table[i]) == 0;
  }
  const OwnerId owner = table.owner();
  if (fresh[Index(owner)] + uint64_t{num_pins(owner)} > quota(owner).pinned_blocks) return false;
  for (const BlockId block : blocks) pool_.Pin(block);
  for (uint32_t i = 0; i < fresh.size(); ++i) pinned_[i] += fresh[i];
  pin = PinId{++last_pin_};
  pins_.emplace(pin, std::move(blocks));
  return true;
}

// From the tail, as tables are released.
void KvCache::Unpin(PinId pin) {
  const auto found = pins_.find(pin);
  QUIRE_CHECK(found != pins_.end(), "no such pin");
  for (const BlockId block : std::views::reverse(found->second)) {
    const OwnerId owner = pool_.owner_of(block);
    pool_.Unpin(block);
    pinned_[Index(owner)] -= pool_.pin_count(block) == 0;
  }
  pins_.erase(found);
}

void KvCache::Release(BlockTable& table) {
  while (!table.empty()) {
    pool_.Release(table.last());
    table.RemoveLast();
  }
}

void KvCache::Forget(BlockTable& table, uint32_t first) {
  while (table.num_named() > first) {
    const uint32_t last = table.num_named() - 1;
    const BlockId block = table[last];
    NoteSeen(block, SeenBlocks::Fate::kEvictedOwn);
    (void)prefixes_.Forget(block);
    pool_.SetUnnamed(block);
    table.SetNumNamed(last);
  }
}

std::vector<BlockId> KvCache::Purge(OwnerId owner) {
  std::vector<BlockId> purged;
  for (BlockId victim = order_.VictimOf(owner, now_); victim != kNoBlock;
       victim = order_.VictimOf(owner, now_)) {
    purged.push_back(victim);
    Evict(victim, EvictionReason::kPurge, owner);
  }
  seen_.Purge(owner, now_);
  return purged;
}

void KvCache::CheckInvariants() const {
  pool_.CheckInvariants();
  prefixes_.CheckInvariants();
  order_.CheckInvariants();
  uint32_t leaves = 0;
  for (uint32_t i = 0; i < pool_.capacity(); ++i) {
    const BlockId block{i};
    leaves += IsOrdered(block);
    QUIRE_CHECK(IsOrdered(block) == order_.Holds(block), "K1: a leaf is not held, or a parent is");
  }
  QUIRE_CHECK(leaves == order_.num_held(), "K1: the eviction order holds too much");
}

}  // namespace quire
