#include "cache/prefix_cache.h"

#include <gtest/gtest.h>

#include <vector>

namespace quire {
namespace {

constexpr uint32_t kTokensPerBlock = 2;

// A pool, a cache over it, and tables filled by hand.
struct Fixture {
  explicit Fixture(uint32_t capacity, uint32_t name_bits = 256)
      : pool(capacity), cache(pool, kTokensPerBlock, name_bits) {}

  BlockTable Fill(uint32_t num_blocks) {
    std::vector<BlockId> blocks(num_blocks);
    EXPECT_TRUE(pool.Allocate({}, blocks));
    BlockTable table;
    for (const BlockId block : blocks) table.Append(block);
    return table;
  }
  void Release(BlockTable& table) {
    for (; !table.empty(); table.RemoveLast()) pool.Release(table.last());
  }

  BlockPool pool;
  PrefixCache cache;
  Scope scope;
};

TEST(PrefixCache, NamesOnlyWhatIsFull) {  // C2
  Fixture f(4);
  const std::vector<TokenId> tokens{1, 2, 3, 4, 5};
  BlockTable table = f.Fill(3);
  f.cache.Commit(f.scope, tokens, 3, table);
  EXPECT_EQ(table.num_named(), 1u);
  f.cache.Commit(f.scope, tokens, 5, table);
  EXPECT_EQ(table.num_named(), 2u);
  EXPECT_EQ(f.cache.num_named(), 2u);
  f.cache.CheckInvariants();
}

TEST(PrefixCache, MatchNeedsMoreThanTheBlocksItFinds) {
  Fixture f(4);
  const std::vector<TokenId> tokens{1, 2, 3, 4};
  BlockTable table = f.Fill(2);
  f.cache.Commit(f.scope, tokens, 4, table);
  BlockTable found;
  EXPECT_EQ(f.cache.Match(f.scope, {}, found), 0u);
  EXPECT_EQ(f.cache.Match(f.scope, std::span(tokens).first(2), found), 0u);
  EXPECT_EQ(f.cache.Match(f.scope, tokens, found), 2u) << "the last token is left to compute";
}

TEST(PrefixCache, ForgottenBlocksAreNotFoundAgainNorTheirIdsConfused) {
  Fixture f(2);
  const std::vector<TokenId> first{1, 2, 9};
  const std::vector<TokenId> second{3, 4, 9};
  BlockTable table = f.Fill(1);
  f.cache.Commit(f.scope, first, 2, table);
  const BlockId block = table[0];
  f.Release(table);
  f.cache.Forget(block);
  f.pool.Recycle(block);
  table = f.Fill(1);
  ASSERT_EQ(table[0], block);
  f.cache.Commit(f.scope, second, 2, table);
  BlockTable found;
  EXPECT_EQ(f.cache.Match(f.scope, first, found), 0u);
  EXPECT_EQ(f.cache.Match(f.scope, second, found), 2u);
  f.cache.CheckInvariants();
}

TEST(PrefixCache, WhatWasBroughtCountsForOneReaderOnly) {
  Fixture f(4);
  const std::vector<TokenId> tokens{1, 2, 3, 4, 5, 6, 7};
  BlockTable table = f.Fill(3);
  f.cache.Commit(f.scope, tokens, 6, table);
  f.cache.NoteBrought(table, 1);
  BlockTable first;
  f.cache.Match(f.scope, tokens, first);
  EXPECT_EQ(f.cache.TakeBrought(first), 2u) << "block 0 was here before";
  EXPECT_EQ(f.cache.TakeBrought(first), 0u);
  f.Release(first);
  f.cache.NoteBrought(table, 2);
  const BlockId last = table.last();
  f.Release(table);
  f.cache.Forget(last);
  BlockTable again = f.Fill(1);
  f.cache.Commit(f.scope, std::vector<TokenId>{8, 9, 1}, 2, again);
  EXPECT_EQ(f.cache.TakeBrought(again), 0u) << "another text in the same memory";
  f.Release(again);
}

// C1: with one-byte names, 300 different blocks cannot all be named; those that are tell the truth.
TEST(PrefixCache, ABlockWhoseNameIsTakenStaysUnnamed) {
  Fixture f(300, 8);
  uint32_t named = 0;
  for (TokenId i = 0; i < 300; ++i) {
    const std::vector<TokenId> tokens{i, i, 0};
    BlockTable table = f.Fill(1);
    f.cache.Commit(f.scope, tokens, 2, table);
    named += table.num_named();
    BlockTable found;
    EXPECT_EQ(f.cache.Match(f.scope, tokens, found), 2 * table.num_named());
  }
  EXPECT_GT(named, 100u);
  EXPECT_LE(named, 256u);
  f.cache.CheckInvariants();
}

TEST(PrefixCacheDeathTest, OnlyLeavesThatNobodySharesAreForgotten) {  // C3
  Fixture f(2);
  const std::vector<TokenId> tokens{1, 2, 3, 4};
  BlockTable table = f.Fill(2);
  f.cache.Commit(f.scope, tokens, 4, table);
  const BlockId head = table[0];
  EXPECT_DEATH(f.cache.Forget(head), "orphan");
  BlockTable other;
  EXPECT_EQ(f.cache.Match(f.scope, std::vector<TokenId>{1, 2, 3, 4, 5}, other), 4u);
  EXPECT_DEATH(f.cache.Forget(table[1]), "several");
  f.Release(other);
  f.Release(table);
  EXPECT_DEATH(f.cache.Forget(head), "orphan");
}

}  // namespace
}  // namespace quire
