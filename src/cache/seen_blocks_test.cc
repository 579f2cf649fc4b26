#include "cache/seen_blocks.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "cache/kv_cache.h"

namespace quire {
namespace {

constexpr uint32_t kTokensPerBlock = 2;
const std::string kMaster(32, 'm');

// Of a tenant that never had but one holder.
Scope ScopeOf(const std::string& tenant, const std::string& salt, uint64_t generation = 0) {
  const std::string secret = TenantSecret(kMaster, tenant, generation);
  Scope scope = MakeScope({.model_digest = "m",
                           .kv_format = "f16",
                           .numerics_version = 1,
                           .tenant_secret = secret,
                           .cache_salt = salt});
  scope.kin = TenantKin(kMaster, tenant, 0);
  return scope;
}

class SeenBlocksTest : public ::testing::Test {
 protected:
  SeenBlocksTest() : cache_({.capacity_blocks = 4, .block_tokens = kTokensPerBlock}) {
    cache_.SetTime(1000);
  }

  // Reads `tokens` as `owner`, and leaves them behind.
  void Read(const Scope& scope, const std::vector<TokenId>& tokens, OwnerId owner = kFirstOwner) {
    BlockTable table(owner);
    const BlockNames names(scope);
    cache_.Match(names, tokens, table);
    const auto size = static_cast<uint32_t>(tokens.size());
    ASSERT_TRUE(cache_.Grow(table, size, EvictionReason::kPrefill));
    cache_.Commit(names, tokens, size, table);
    cache_.Release(table);
  }
  SeenBlocks::Finding Why(const Scope& scope, const std::vector<TokenId>& tokens, uint32_t i) {
    const BlockNames names(scope);
    return cache_.WhyMissed(names, tokens, i);
  }
  MissReason ReasonOf(const Scope& scope, const std::vector<TokenId>& tokens, uint32_t i = 0) {
    return Why(scope, tokens, i).reason;
  }

  KvCache cache_;
  const std::vector<TokenId> text_{1, 2, 3, 4};
};

TEST_F(SeenBlocksTest, WhatNobodyReadWasNeverSeen) {
  EXPECT_EQ(ReasonOf(ScopeOf("acme", ""), text_), MissReason::kNeverSeen);
  Read(ScopeOf("acme", ""), text_);
  EXPECT_EQ(ReasonOf(ScopeOf("acme", ""), {1, 2, 3, 5}, 1), MissReason::kNeverSeen);
  EXPECT_EQ(ReasonOf(ScopeOf("acme", ""), {3, 4}), MissReason::kNeverSeen)
      << "the same tokens behind others are another block";
}

TEST_F(SeenBlocksTest, OwnPressureIsToldFromOthers) {
  const OwnerId other = cache_.AddOwner({});
  Read(ScopeOf("acme", ""), text_);
  cache_.SetTime(3000);
  Read(ScopeOf("acme", ""), {10, 11, 12, 13, 14, 15, 16, 17});
  EXPECT_EQ(ReasonOf(ScopeOf("acme", ""), text_, 1), MissReason::kEvictedOwn);
  EXPECT_EQ(Why(ScopeOf("acme", ""), text_, 0).at, 3000u);
  Read(ScopeOf("beta", ""), {20, 21, 22, 23}, other);
  EXPECT_EQ(ReasonOf(ScopeOf("acme", ""), {10, 11, 12, 13, 14, 15, 16, 17}, 3),
            MissReason::kEvictedOutside);
}

TEST_F(SeenBlocksTest, AnotherSaltIsKnownToTheTenantAlone) {
  const OwnerId other = cache_.AddOwner({});
  Read(ScopeOf("acme", "a"), text_);
  EXPECT_EQ(ReasonOf(ScopeOf("acme", "b"), text_, 1), MissReason::kOtherSalt);
  EXPECT_EQ(ReasonOf(ScopeOf("acme", ""), text_), MissReason::kOtherSalt);
  EXPECT_EQ(ReasonOf(ScopeOf("beta", "b"), text_), MissReason::kNeverSeen);
  EXPECT_EQ(ReasonOf(ScopeOf("beta", "a"), text_), MissReason::kNeverSeen);
  Read(ScopeOf("beta", "a"), {10, 11, 12, 13, 14, 15, 16, 17}, other);
  EXPECT_EQ(ReasonOf(ScopeOf("beta", "a"), text_), MissReason::kNeverSeen);
  EXPECT_EQ(ReasonOf(ScopeOf("acme", "a"), text_), MissReason::kEvictedOutside);
}

TEST_F(SeenBlocksTest, APurgeIsTold) {
  const OwnerId other = cache_.AddOwner({});
  Read(ScopeOf("acme", "", 1), text_);
  Read(ScopeOf("beta", "", 1), {5, 6}, other);
  cache_.Purge(kFirstOwner);
  EXPECT_EQ(ReasonOf(ScopeOf("acme", "", 2), text_), MissReason::kPurged);
  EXPECT_EQ(ReasonOf(ScopeOf("beta", "", 1), text_), MissReason::kNeverSeen);
  Scope stranger = ScopeOf("acme", "", 2);
  stranger.kin = TenantKin(kMaster, "acme", 1);  // who has the name now, but not the keys
  EXPECT_EQ(ReasonOf(stranger, text_), MissReason::kNeverSeen);
  Read(ScopeOf("acme", "", 2), text_);
  EXPECT_EQ(ReasonOf(ScopeOf("acme", "x", 2), text_), MissReason::kOtherSalt);
}

// What came last is remembered, however much there was before.
TEST(SeenBlocks, TheOldestMakeRoom) {
  SeenBlocks seen;
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;  // spreads numbers over all places
  constexpr uint64_t kAll = 4 * SeenBlocks::kEntries;
  for (uint64_t i = 0; i < kAll; ++i) {
    seen.Note({(i * kOdd) >> 20, 1}, kFirstOwner, SeenBlocks::Fate::kEvictedOwn, i + 1);
  }
  for (uint64_t i = kAll - SeenBlocks::kEntries / 4; i < kAll; ++i) {
    EXPECT_EQ(seen.Find({(i * kOdd) >> 20, 1}).at, i + 1);
  }
  EXPECT_EQ(seen.Find({kOdd >> 20, 1}).reason, MissReason::kNeverSeen);
}

}  // namespace
}  // namespace quire
