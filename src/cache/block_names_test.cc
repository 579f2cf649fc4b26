#include "cache/block_names.h"

#include <gtest/gtest.h>

#include <vector>

namespace quire {
namespace {

Scope ScopeOf(int number) {
  Scope scope;
  scope.root.bytes[0] = static_cast<std::byte>(number);
  return scope;
}

TEST(BlockNames, AreTheChainOfNextBlockName) {
  const Scope scope = ScopeOf(1);
  const BlockNames names(scope);
  std::vector<TokenId> tokens{1, 2, 3, 4, 5};
  const BlockName first = NextBlockName(scope.root, scope.root, std::span(tokens).first(2));
  const BlockName second = NextBlockName(scope.root, first, std::span(tokens).subspan(2, 2));
  EXPECT_EQ(names.Of(1, tokens, 2), second);
  EXPECT_EQ(names.Of(0, tokens, 2), first);
  tokens.push_back(6);
  EXPECT_EQ(names.Of(2, tokens, 2),
            NextBlockName(scope.root, second, std::span(tokens).subspan(4, 2)));
  EXPECT_EQ(names.size(), 3u);
}

TEST(BlockNames, EachIsHashedOnce) {
  const BlockNames names(ScopeOf(1));
  std::vector<TokenId> tokens{1, 2};
  const BlockName name = names.Of(0, tokens, 2);
  tokens[0] = 7;  // against the contract, to see that nothing is hashed again
  EXPECT_EQ(names.Of(0, tokens, 2), name);
}

TEST(BlockNames, CommonBlocksEndAtTheFirstDifference) {
  constexpr uint32_t kBlocks = 9;
  for (uint32_t differ = 0; differ <= kBlocks; ++differ) {
    std::vector<TokenId> left(2 * kBlocks, 5);
    std::vector<TokenId> right = left;
    if (differ < kBlocks) right[2 * differ + 1] = 6;
    const BlockNames a(ScopeOf(1));
    const BlockNames b(ScopeOf(1));
    const BlockNames foreign(ScopeOf(2));
    for (const auto* names : {&a, &foreign}) names->Of(kBlocks - 1, left, 2);
    b.Of(kBlocks - 1, right, 2);
    EXPECT_EQ(a.CommonBlocks(b, kBlocks), differ);
    EXPECT_EQ(a.CommonBlocks(b, 3), std::min(differ, 3u));
    EXPECT_EQ(a.CommonBlocks(foreign, kBlocks), 0u);
  }
}

TEST(BlockNamesDeathTest, OnlyFullBlocksHaveNames) {
  const BlockNames names(ScopeOf(1));
  const std::vector<TokenId> tokens{1, 2, 3};
  EXPECT_DEATH(names.Of(1, tokens, 2), "only full blocks");
}

}  // namespace
}  // namespace quire
