// Quotas, keeping and pinning against a naive model, by random operations that shrink: whatever is
// asked, the cache gives up the same blocks as a list that is searched from end to end.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "cache/kv_cache.h"

namespace quire {
namespace {

constexpr uint32_t kCapacity = 24;
constexpr uint32_t kOwners = 3;
constexpr uint32_t kTexts = 6;
constexpr uint32_t kMostBlocks = 6;
constexpr TickMs kTick = 1024;  // between operations; times to keep until differ by less

// A block is its path: the texts of all blocks up to it, behind its owner.
char PartOf(uint32_t text, uint32_t block) {
  return static_cast<char>('a' + (block < 2 ? text / 2 : text));
}

std::string Path(uint32_t owner, uint32_t text, uint32_t num_blocks) {
  std::string path(1, static_cast<char>('0' + owner));
  for (uint32_t i = 0; i < num_blocks; ++i) path += PartOf(text, i);
  return path;
}

class NaiveQuotas {
 public:
  struct Block {
    uint32_t refs = 0;
    uint32_t pins = 0;
    uint64_t idle_since = 0;
    Keeping keeping;
    bool idle() const { return refs == 0 && pins == 0; }
  };

  void SetTime(TickMs now) { now_ = now; }
  void SetQuota(uint32_t owner, const Quota& quota) { quotas_[owner] = quota; }

  uint32_t Cached(uint32_t owner, uint32_t text, uint32_t limit) const {
    uint32_t blocks = 0;
    while (blocks < limit && blocks_.contains(Path(owner, text, blocks + 1))) ++blocks;
    return blocks;
  }

  bool Open(uint32_t owner, uint32_t text, uint32_t num_blocks) {
    const uint32_t found = Cached(owner, text, num_blocks);
    Acquire(owner, text, found);
    const uint32_t missing = num_blocks - found;
    if (missing > 0 && missing > Available(owner)) {
      Release(owner, text, found);
      return false;
    }
    if (missing > 0) {
      while (Used(owner) + missing > quotas_[owner].limit_blocks) EvictFrom(owner);
      while (kCapacity - blocks_.size() < missing) EvictFrom(OwnerToGive(owner));
    }
    for (uint32_t i = found; i < num_blocks; ++i) blocks_[Path(owner, text, i + 1)].refs = 1;
    return true;
  }

  void Release(uint32_t owner, uint32_t text, uint32_t num_blocks) {
    for (uint32_t i = num_blocks; i > 0; --i) {
      Block& block = blocks_.at(Path(owner, text, i));
      --block.refs;
      if (block.idle()) block.idle_since = ++serial_;
    }
  }

  void Keep(uint32_t owner, uint32_t text, uint32_t num_blocks, const Keeping& keeping) {
    for (uint32_t i = 1; i <= num_blocks; ++i) {
      Keeping& before = blocks_.at(Path(owner, text, i)).keeping;
      before.kept_until = std::max(before.kept_until, keeping.kept_until);
      before.awaited_until = std::max(before.awaited_until, keeping.awaited_until);
    }
  }

  uint32_t Awaited(uint32_t owner) const {
    return Count(owner, [&](const Block& block) {
      return block.idle() && block.keeping.awaited_until > now_;
    });
  }

  bool Pin(uint32_t owner, uint32_t text, uint32_t num_blocks) {
    uint64_t pinned = 0;
    for (const auto& [path, block] : blocks_) pinned += Owns(owner, path) && block.pins > 0;
    for (uint32_t i = 1; i <= num_blocks; ++i) {
      pinned += blocks_.at(Path(owner, text, i)).pins == 0;
    }
    if (pinned > quotas_[owner].pinned_blocks) return false;
    for (uint32_t i = 1; i <= num_blocks; ++i) ++blocks_.at(Path(owner, text, i)).pins;
    return true;
  }

  void Unpin(uint32_t owner, uint32_t text, uint32_t num_blocks) {
    for (uint32_t i = num_blocks; i > 0; --i) {
      Block& block = blocks_.at(Path(owner, text, i));
      --block.pins;
      if (block.idle()) block.idle_since = ++serial_;
    }
  }

  uint32_t Used(uint32_t owner) const {
    return Count(owner, [](const Block&) { return true; });
  }
  uint32_t Idle(uint32_t owner) const {
    return Count(owner, [](const Block& block) { return block.idle(); });
  }

  uint32_t Available(uint32_t owner) const {
    uint32_t blocks = kCapacity - static_cast<uint32_t>(blocks_.size());
    for (uint32_t i = 0; i < kOwners; ++i) {
      blocks += i == owner ? Idle(i) : std::min(Idle(i), Excess(i));
    }
    const uint32_t held = Used(owner) - Idle(owner);
    const uint32_t limit = quotas_[owner].limit_blocks;
    return std::min(blocks, limit - std::min(limit, held));
  }

 private:
  static bool Owns(uint32_t owner, const std::string& path) {
    return path[0] == static_cast<char>('0' + owner);
  }

  template <typename Which>
  uint32_t Count(uint32_t owner, Which which) const {
    uint32_t count = 0;
    for (const auto& [path, block] : blocks_) count += Owns(owner, path) && which(block);
    return count;
  }

  uint32_t Excess(uint32_t owner) const {
    const uint32_t used = Used(owner);
    return used - std::min(used, quotas_[owner].guaranteed_blocks);
  }

  void Acquire(uint32_t owner, uint32_t text, uint32_t num_blocks) {
    for (uint32_t i = 1; i <= num_blocks; ++i) ++blocks_.at(Path(owner, text, i)).refs;
  }

  uint32_t OwnerToGive(uint32_t wanted_by) const {
    uint32_t from = wanted_by;
    double most = -1;
    for (uint32_t i = 0; i < kOwners; ++i) {
      const double pressure = Excess(i) / quotas_[i].weight;
      if (Idle(i) == 0 || Excess(i) == 0 || pressure <= most) continue;
      most = pressure;
      from = i;
    }
    return from;
  }

  bool IsLeaf(const std::string& path) const {
    return std::ranges::none_of(blocks_, [&](const auto& other) {
      return other.first.size() > path.size() && other.first.starts_with(path);
    });
  }

  // Leaves that need not be kept first, the longest idle of them; then of those that are awaited
  // what will be back last; then what may go soonest.
  void EvictFrom(uint32_t owner) {
    const auto key = [&](const Block& block) {
      const Keeping& keeping = block.keeping;
      if (keeping.kept_until > now_) return std::pair(2, uint64_t{keeping.kept_until});
      if (keeping.awaited_until <= now_) return std::pair(0, block.idle_since);
      return std::pair(1, UINT64_MAX - keeping.awaited_until);
    };
    auto victim = blocks_.end();
    for (auto it = blocks_.begin(); it != blocks_.end(); ++it) {
      if (!Owns(owner, it->first) || !it->second.idle() || !IsLeaf(it->first)) continue;
      if (victim == blocks_.end() || key(it->second) < key(victim->second)) victim = it;
    }
    RC_ASSERT(victim != blocks_.end());
    blocks_.erase(victim);
  }

  std::map<std::string, Block> blocks_;
  Quota quotas_[kOwners];
  TickMs now_ = 0;
  uint64_t serial_ = 0;
};

// Both worlds. What is done in a step is a function of its code.
class QuotaTwins {
 public:
  QuotaTwins() : cache_({.capacity_blocks = kCapacity, .block_tokens = 1}) {
    for (uint32_t owner = 1; owner < kOwners; ++owner) cache_.AddOwner({});
  }
  ~QuotaTwins() {
    for (const Text& text : pinned_) cache_.Unpin(text.pin);
    for (Text& text : open_) cache_.Release(text.table);
  }

  void Step(uint32_t code) {
    now_ += kTick;
    cache_.SetTime(now_);
    naive_.SetTime(now_);
    const uint32_t owner = code / 16 % kOwners;
    const uint32_t text = code / 64 % kTexts;
    const uint32_t number = code / 1024;
    switch (code % 16) {
      case 0:
        SetQuota(owner, number);
        break;
      case 1:
        PinOne(number);
        break;
      case 2:
        UnpinOne(number);
        break;
      case 3:
        KeepOne(number);
        break;
      default:
        if (code % 16 < 10) {
          Open(owner, text, 1 + number % kMostBlocks);
        } else {
          Close(number);
        }
    }
    Compare();
  }

 private:
  struct Text {
    uint32_t owner = 0;
    uint32_t text = 0;
    uint32_t num_blocks = 0;
    BlockTable table{kFirstOwner};
    PinId pin{};
  };

  static Scope ScopeOf(uint32_t owner) {
    Scope scope;
    scope.root.bytes[0] = static_cast<std::byte>(owner + 1);
    return scope;
  }
  static std::vector<TokenId> Tokens(uint32_t text, uint32_t num_blocks) {
    std::vector<TokenId> tokens;
    for (uint32_t i = 0; i < num_blocks; ++i) tokens.push_back(PartOf(text, i));
    tokens.push_back(0);  // is not computed
    return tokens;
  }

  void SetQuota(uint32_t owner, uint32_t number) {
    Quota quota;
    quota.guaranteed_blocks = number % (kCapacity / kOwners + 1);
    if (number / 16 % 2 == 0) quota.limit_blocks = quota.guaranteed_blocks + number / 32 % 20;
    quota.pinned_blocks = number / 1024 % 8;
    quota.weight = 1 + number / 8192 % 3;
    cache_.SetQuota(OwnerId{owner}, quota);
    naive_.SetQuota(owner, quota);
  }

  void Open(uint32_t owner, uint32_t text, uint32_t num_blocks) {
    if (open_.size() == 4) return;
    Text opened{.owner = owner,
                .text = text,
                .num_blocks = num_blocks,
                .table = BlockTable(OwnerId{owner})};
    const auto tokens = Tokens(text, num_blocks);
    const Scope scope = ScopeOf(owner);
    cache_.Match(scope, tokens, opened.table);
    const bool grown = cache_.Grow(opened.table, num_blocks, EvictionReason::kPrefill);
    RC_ASSERT(naive_.Open(owner, text, num_blocks) == grown);
    if (!grown) return cache_.Release(opened.table);
    cache_.Commit(scope, tokens, num_blocks, opened.table);
    open_.push_back(std::move(opened));
  }

  void Close(uint32_t number) {
    if (open_.empty()) return;
    std::swap(open_[number % open_.size()], open_.back());
    Text& text = open_.back();
    cache_.Release(text.table);
    naive_.Release(text.owner, text.text, text.num_blocks);
    open_.pop_back();
  }

  void PinOne(uint32_t number) {
    if (open_.empty() || pinned_.size() == 3) return;
    const Text& text = open_[number % open_.size()];
    Text pinned{
        .owner = text.owner, .text = text.text, .num_blocks = number / 8 % (text.num_blocks + 1)};
    const bool done = cache_.Pin(text.table, pinned.num_blocks, pinned.pin);
    RC_ASSERT(naive_.Pin(pinned.owner, pinned.text, pinned.num_blocks) == done);
    if (done) pinned_.push_back(std::move(pinned));
  }

  void UnpinOne(uint32_t number) {
    if (pinned_.empty()) return;
    std::swap(pinned_[number % pinned_.size()], pinned_.back());
    const Text& text = pinned_.back();
    cache_.Unpin(text.pin);
    naive_.Unpin(text.owner, text.text, text.num_blocks);
    pinned_.pop_back();
  }

  void KeepOne(uint32_t number) {
    if (open_.empty()) return;
    const Text& text = open_[number % open_.size()];
    const TickMs until = now_ + number / 8 % 64 * kTick + now_ / kTick % kTick;
    Keeping keeping;
    if (number % 3 != 1) keeping.kept_until = until;
    if (number % 3 != 2) keeping.awaited_until = until + number / 16 % 32 * kTick;
    cache_.Keep(text.table, keeping);
    naive_.Keep(text.owner, text.text, text.num_blocks, keeping);
  }

  void Compare() const {
    cache_.CheckInvariants();
    for (uint32_t owner = 0; owner < kOwners; ++owner) {
      const BlockCounts& counts = cache_.pool().counts(OwnerId{owner});
      RC_ASSERT(counts.used() == naive_.Used(owner));
      RC_ASSERT(counts.idle == naive_.Idle(owner));
      RC_ASSERT(cache_.available(OwnerId{owner}) == naive_.Available(owner));
      RC_ASSERT(cache_.awaited(OwnerId{owner}) == naive_.Awaited(owner));
    }
    const uint32_t looked_at = static_cast<uint32_t>(now_ / kTick);  // one text in each step
    const uint32_t owner = looked_at % kOwners;
    const uint32_t text = looked_at / kOwners % kTexts;
    RC_ASSERT(cache_.CountCached(ScopeOf(owner), Tokens(text, kMostBlocks)) ==
              naive_.Cached(owner, text, kMostBlocks));
  }

  KvCache cache_;
  NaiveQuotas naive_;
  TickMs now_ = 0;
  std::vector<Text> open_;
  std::vector<Text> pinned_;
};

// A million operations: 1000 lists of 1000 on average. Longer ones would take longer to shrink.
TEST(Quota, EqualsANaiveModelUnderRandomOperations) {
  setenv("RC_PARAMS", "seed=1 max_success=1000", 0);
  uint64_t operations = 0;
  EXPECT_TRUE(rc::check([&] {
    const auto codes = *rc::gen::resize(
        2000, rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange(0u, 1u << 26)));
    QuotaTwins twins;
    for (const uint32_t code : codes) twins.Step(code);
    operations += codes.size();
  }));
  RecordProperty("operations", std::to_string(operations));
}

}  // namespace
}  // namespace quire
