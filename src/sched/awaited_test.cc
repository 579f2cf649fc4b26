// Conversations that a tool will go on with, where memory is short.
#include <gtest/gtest.h>

#include <vector>

#include "tests/sched/scheduler_harness.h"

namespace quire {
namespace {

// What is kept for a tool's return is not taken by a newcomer while anybody runs; whoever goes on
// with it starts at once; and nobody waits for ever.
TEST(Awaited, NewcomersWaitForMemoryRatherThanTakeWhatIsAwaited) {
  Harness harness(20, {});
  harness.await_ms = 60'000;
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(33, 1), 1)));  // 8 named blocks of 4 tokens
  harness.RunAll();
  harness.await_ms = 0;
  const auto other = harness.scheduler.Submit(Spec(Prompt(5, 2), 25));
  ASSERT_TRUE(harness.Step());
  const auto newcomer = harness.scheduler.Submit(Spec(Prompt(41, 3), 1));
  ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.scheduler.Get(*newcomer).state, SequenceState::kWaiting);
  EXPECT_EQ(harness.cache.awaited(kFirstOwner), 8u);
  std::vector<TokenId> longer = Prompt(33, 1);
  longer.insert(longer.end(), {1, 2, 1});
  const auto back = harness.scheduler.Submit(Spec(longer, 2));
  ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.scheduler.Get(*back).counts.cached_tokens, 32u);
  EXPECT_EQ(harness.scheduler.Get(*newcomer).state, SequenceState::kWaiting);
  harness.now += 9'000;
  ASSERT_TRUE(harness.Step());
  ASSERT_TRUE(harness.ended.contains(*back));
  EXPECT_FALSE(harness.ended.contains(*other));
  harness.now += 2'000;  // it has waited for long enough
  ASSERT_TRUE(harness.Step());
  EXPECT_TRUE(harness.ended.contains(*newcomer));
  EXPECT_FALSE(harness.ended.contains(*other));
  harness.RunAll();
}

// Of those that are awaited the one that left last goes first, before what a client wanted kept.
TEST(Awaited, WhatLeftLastIsGivenUpFirst) {
  Harness harness(12, {});
  harness.await_ms = 60'000;
  for (const uint32_t seed : {1u, 2u}) {
    ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(17, seed), 1)));  // 4 named blocks
    harness.RunAll();
    harness.now += 100;
  }
  harness.await_ms = 0;
  SequenceSpec kept = Spec(Prompt(13, 3), 1);
  kept.keep_ms = 1000;
  ASSERT_TRUE(harness.scheduler.Submit(std::move(kept)));
  harness.RunAll();
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(16, 4), 1)));
  harness.RunAll();
  EXPECT_EQ(harness.cache.CountCached(AnyScope(), Prompt(17, 1)), 16u);
  EXPECT_LT(harness.cache.CountCached(AnyScope(), Prompt(17, 2)), 16u);
  EXPECT_EQ(harness.cache.CountCached(AnyScope(), Prompt(13, 3)), 12u);
}

// A client's wish to keep a conversation is no weaker because a tool will go on with it.
TEST(Awaited, WhatAClientWantsKeptStaysKeptWhileAToolWorks) {
  Harness harness(12, {});
  harness.await_ms = 60'000;
  SequenceSpec both = Spec(Prompt(17, 1), 1);  // 4 named blocks
  both.keep_ms = 10'000;
  ASSERT_TRUE(harness.scheduler.Submit(std::move(both)));
  harness.RunAll();
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(17, 2), 1)));  // awaited alone
  harness.RunAll();
  harness.await_ms = 0;
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(24, 3), 1)));
  harness.RunAll();
  EXPECT_EQ(harness.cache.CountCached(AnyScope(), Prompt(17, 1)), 16u);
  EXPECT_LT(harness.cache.CountCached(AnyScope(), Prompt(17, 2)), 16u);
  harness.now += 10'001;  // awaited still, but it is as the others now
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(40, 4), 1)));
  harness.RunAll();
  EXPECT_LT(harness.cache.CountCached(AnyScope(), Prompt(17, 1)), 16u);
}

}  // namespace
}  // namespace quire
