#include "cache/quota.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "cache/kv_cache.h"

namespace quire {
namespace {

constexpr uint32_t kTokensPerBlock = 2;
constexpr auto kReason = EvictionReason::kPrefill;

Scope ScopeOf(uint32_t number) {
  Scope scope;
  scope.root.bytes[0] = static_cast<std::byte>(number + 1);
  return scope;
}

KvCacheOptions Options(uint32_t capacity) {
  return {.capacity_blocks = capacity, .block_tokens = kTokensPerBlock};
}

// Tokens of `num_blocks` blocks that no other `text` begins with, and one more.
std::vector<TokenId> Text(TokenId text, uint32_t num_blocks) {
  std::vector<TokenId> tokens(num_blocks * kTokensPerBlock + 1, text);
  return tokens;
}

// Leaves `num_blocks` idle blocks behind; false if there was no room.
bool Leave(KvCache& cache, OwnerId owner, TokenId text, uint32_t num_blocks,
           TickMs keep_until = 0) {
  const auto tokens = Text(text, num_blocks);
  BlockTable table(owner);
  const Scope scope = ScopeOf(Index(owner));
  cache.Match(scope, tokens, table);
  const uint32_t num_tokens = num_blocks * kTokensPerBlock;
  const bool grown = cache.Grow(table, num_tokens, kReason);
  if (grown) cache.Commit(scope, tokens, num_tokens, table);
  if (grown && keep_until > 0) cache.Keep(table, {.kept_until = keep_until});
  cache.Release(table);
  return grown;
}

uint32_t Found(const KvCache& cache, OwnerId owner, TokenId text, uint32_t num_blocks) {
  return cache.CountCached(ScopeOf(Index(owner)), Text(text, num_blocks)) / kTokensPerBlock;
}

TEST(Quota, AFloodTakesNothingThatWasGuaranteed) {
  KvCache cache(Options(10));
  const OwnerId victim = cache.AddOwner({.guaranteed_blocks = 4});
  const OwnerId flooder = cache.AddOwner({});
  ASSERT_TRUE(Leave(cache, victim, 1, 6));
  for (TokenId text = 10; text < 40; ++text) {
    ASSERT_TRUE(Leave(cache, flooder, text, 5));
    cache.CheckInvariants();
  }
  EXPECT_EQ(Found(cache, victim, 1, 6), 4u) << "only what was beyond the guarantee is gone";
  EXPECT_FALSE(Leave(cache, flooder, 50, 7)) << "and no more can be had";
  EXPECT_EQ(cache.available(flooder), 6u);
  EXPECT_EQ(cache.attainable(flooder), 6u);
}

TEST(Quota, TheOneFurthestBeyondItsShareGivesFirst) {
  KvCache cache(Options(12));
  const OwnerId heavy = cache.AddOwner({.weight = 3});
  const OwnerId light = cache.AddOwner({.weight = 1});
  ASSERT_TRUE(Leave(cache, heavy, 1, 6));
  ASSERT_TRUE(Leave(cache, light, 2, 6));
  const OwnerId newcomer = cache.AddOwner({});
  ASSERT_TRUE(Leave(cache, newcomer, 3, 4));
  EXPECT_EQ(Found(cache, heavy, 1, 6), 6u) << "6 / 3 is less than 2 / 1";
  EXPECT_EQ(Found(cache, light, 2, 6), 2u);
  EXPECT_EQ(cache.counts().foreign_evictions, 4u);
}

TEST(Quota, ALimitIsKeptByGivingUpOnesOwn) {
  KvCache cache(Options(10));
  const OwnerId owner = cache.AddOwner({.limit_blocks = 3});
  ASSERT_TRUE(Leave(cache, owner, 1, 3));
  ASSERT_TRUE(Leave(cache, owner, 2, 2));
  EXPECT_EQ(cache.pool().counts(owner).used(), 3u);
  EXPECT_EQ(Found(cache, owner, 1, 3), 1u);
  EXPECT_FALSE(Leave(cache, owner, 3, 4));
  EXPECT_EQ(cache.counts().failed_grows, 1u);
  EXPECT_EQ(cache.pool().num_free(), 7u);
}

TEST(Quota, WhatIsKeptGoesLastUntilItsTime) {
  KvCache cache(Options(6));
  cache.SetTime(100);
  ASSERT_TRUE(Leave(cache, kFirstOwner, 1, 2, /*keep_until=*/200));
  ASSERT_TRUE(Leave(cache, kFirstOwner, 2, 2));
  ASSERT_TRUE(Leave(cache, kFirstOwner, 3, 2));
  ASSERT_TRUE(Leave(cache, kFirstOwner, 4, 3));
  EXPECT_EQ(Found(cache, kFirstOwner, 1, 2), 2u) << "though it is the oldest";
  EXPECT_EQ(Found(cache, kFirstOwner, 2, 2), 0u);
  ASSERT_TRUE(Leave(cache, kFirstOwner, 5, 6)) << "but it does not stand in anybody's way";
  EXPECT_EQ(Found(cache, kFirstOwner, 1, 2), 0u);

  ASSERT_TRUE(Leave(cache, kFirstOwner, 1, 2, /*keep_until=*/200));
  ASSERT_TRUE(Leave(cache, kFirstOwner, 2, 2));
  cache.SetTime(200);
  ASSERT_TRUE(Leave(cache, kFirstOwner, 6, 4));
  EXPECT_EQ(Found(cache, kFirstOwner, 1, 2), 0u) << "its time is over";
  EXPECT_EQ(Found(cache, kFirstOwner, 2, 2), 2u);
  cache.CheckInvariants();
}

TEST(Quota, PinsHoldWithinTheirBudget) {
  KvCache cache(Options(6));
  const OwnerId owner = cache.AddOwner({.pinned_blocks = 3});
  const Scope scope = ScopeOf(Index(owner));
  const auto tokens = Text(1, 4);
  BlockTable table(owner);
  ASSERT_TRUE(cache.Grow(table, 8, kReason));
  cache.Commit(scope, tokens, 8, table);
  PinId pin{};
  PinId second{};
  EXPECT_FALSE(cache.Pin(table, 4, pin));
  ASSERT_TRUE(cache.Pin(table, 3, pin));
  ASSERT_TRUE(cache.Pin(table, 2, second)) << "the same blocks cost nothing more";
  cache.Release(table);
  EXPECT_EQ(cache.pool().num_pinned(), 3u);
  EXPECT_EQ(cache.pool().num_idle(), 1u);
  EXPECT_FALSE(Leave(cache, owner, 2, 4)) << "pinned blocks are not for eviction";
  cache.Unpin(pin);
  EXPECT_EQ(cache.num_pins(owner), 2u);
  EXPECT_TRUE(Leave(cache, owner, 2, 4));
  EXPECT_EQ(Found(cache, owner, 1, 4), 2u);
  cache.Unpin(second);
  cache.CheckInvariants();
}

TEST(Quota, PurgeForgetsTheOwnersIdleBlocksOnly) {
  KvCache cache(Options(8));
  const OwnerId other = cache.AddOwner({});
  ASSERT_TRUE(Leave(cache, kFirstOwner, 1, 3, /*keep_until=*/1000));
  ASSERT_TRUE(Leave(cache, other, 1, 3));
  EXPECT_EQ(cache.Purge(kFirstOwner).size(), 3u);
  EXPECT_EQ(Found(cache, kFirstOwner, 1, 3), 0u);
  EXPECT_EQ(Found(cache, other, 1, 3), 3u);
  cache.CheckInvariants();
}

TEST(Quota, APublicPrefixIsSharedAndNothingBehindIt) {
  KvCache cache(Options(16));
  const OwnerId first = cache.AddOwner({});
  const OwnerId second = cache.AddOwner({});
  const auto tokens = Text(7, 4);
  const Scope everybody = ScopeOf(100);
  ASSERT_TRUE([&] {
    BlockTable table;
    if (!cache.Grow(table, 4, kReason)) return false;
    cache.Commit(everybody, tokens, 4, table);
    cache.Release(table);
    return true;
  }());
  const auto names = [&](OwnerId owner) {
    return BlockNames(ScopeOf(Index(owner)), {.scope = everybody, .blocks = 2});
  };
  BlockTable table(first);
  EXPECT_EQ(cache.Match(names(first), tokens, table), 4u);
  ASSERT_TRUE(cache.Grow(table, 8, kReason));
  cache.Commit(names(first), tokens, 8, table);
  cache.CheckInvariants();
  EXPECT_EQ(cache.CountCached(names(first), tokens), 8u);
  EXPECT_EQ(cache.CountCached(names(second), tokens), 4u) << "the first owner's blocks are its own";
  EXPECT_EQ(cache.CountCached(ScopeOf(Index(second)), tokens), 0u);
  EXPECT_EQ(cache.pool().counts(first).used(), 2u);
  cache.Release(table);
}

// Random tables of random owners: no guarantee is broken, no limit exceeded, no promise untrue.
class World {
 public:
  explicit World(uint32_t seed) : cache_(Options(40)), random_(seed) {
    cache_.AddOwner({.guaranteed_blocks = 10, .limit_blocks = 25, .weight = 2});
    cache_.AddOwner({.guaranteed_blocks = 8, .limit_blocks = kNoLimit, .pinned_blocks = 6});
    cache_.AddOwner({.limit_blocks = 12, .weight = 0.5});
  }
  ~World() {
    for (BlockTable& table : tables_) cache_.Release(table);
    for (const PinId pin : pins_) cache_.Unpin(pin);
    EXPECT_EQ(cache_.pool().num_live() + cache_.pool().num_pinned(), 0u) << "a block leaked";
  }

  void Step() {
    cache_.SetTime(++now_);
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2:
        return Start();
      case 3:
        return PinOne();
      case 4:
        if (pins_.empty()) return;
        cache_.Unpin(pins_.back());
        return pins_.pop_back();
      case 5:
        if (random_() % 50 == 0) (void)cache_.Purge(AnyOwner());
        return;
      default:
        if (tables_.empty()) return;
        std::swap(tables_[random_() % tables_.size()], tables_.back());
        if (random_() % 4 == 0)
          cache_.Keep(tables_.back(), {.kept_until = random_() % 2 * (now_ + random_() % 200),
                                       .awaited_until = random_() % 2 * (now_ + random_() % 200)});
        cache_.Release(tables_.back());
        return tables_.pop_back();
    }
  }

  void Check() const {
    cache_.CheckInvariants();
    for (uint32_t i = 0; i < cache_.pool().num_owners(); ++i) {  // K2
      ASSERT_LE(cache_.pool().counts(OwnerId{i}).used(), cache_.quota(OwnerId{i}).limit_blocks);
    }
  }
  uint64_t foreign_evictions() const { return cache_.counts().foreign_evictions; }

 private:
  OwnerId AnyOwner() { return OwnerId{static_cast<uint32_t>(random_() % 4)}; }

  void Start() {
    const OwnerId owner = AnyOwner();
    const uint32_t num_blocks = 1 + random_() % 8;
    auto tokens = Text(static_cast<TokenId>(random_() % 3), num_blocks);
    for (TokenId& token : tokens) token ^= random_() % 6 == 0 ? 1 : 0;
    BlockTable table(owner);
    const Scope scope = ScopeOf(Index(owner));
    const uint32_t cached = cache_.CountCached(scope, tokens);
    ASSERT_EQ(cache_.Match(scope, tokens, table), cached);
    std::vector<BlockCounts> before;
    for (uint32_t i = 0; i < 4; ++i) before.push_back(cache_.pool().counts(OwnerId{i}));
    const uint32_t missing = num_blocks - table.size();
    const bool fits = missing <= cache_.available(owner);
    ASSERT_EQ(cache_.Grow(table, num_blocks * kTokensPerBlock, kReason), fits);
    for (uint32_t i = 0; i < 4; ++i) {
      if (OwnerId{i} == owner) continue;
      const uint32_t used = before[i].used();
      const uint32_t theirs = std::min(used, cache_.quota(OwnerId{i}).guaranteed_blocks);
      ASSERT_GE(cache_.pool().counts(OwnerId{i}).used(), theirs) << "a guarantee was broken";
    }
    if (!fits) return cache_.Release(table);
    cache_.Commit(scope, tokens, num_blocks * kTokensPerBlock, table);
    tables_.push_back(std::move(table));
  }

  void PinOne() {
    if (tables_.empty() || pins_.size() > 5) return;
    const BlockTable& table = tables_[random_() % tables_.size()];
    PinId pin{};
    if (cache_.Pin(table, random_() % (table.num_named() + 1), pin)) pins_.push_back(pin);
    ASSERT_LE(cache_.num_pins(OwnerId{2}), 6u);
  }

  KvCache cache_;
  std::mt19937 random_;
  TickMs now_ = 0;
  std::vector<BlockTable> tables_;
  std::vector<PinId> pins_;
};

TEST(Quota, HoldsUnderRandomOperations) {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    World world(seed);
    for (int step = 0; step < 40'000 && !testing::Test::HasFatalFailure(); ++step) {
      world.Step();
      world.Check();
    }
    EXPECT_GT(world.foreign_evictions(), 1000u) << "the test must contend";
  }
}

}  // namespace
}  // namespace quire
