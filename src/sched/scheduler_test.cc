#include "tests/sched/scheduler_harness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace quire {
namespace {

TEST(Scheduler, MixesDecodesAndPrefillInOneStep) {
  Harness harness(32, {.step_tokens = 8, .step_sequences = 4, .step_logit_rows = 4});
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(5, 1), 6)));
  ASSERT_TRUE(harness.Step());
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(20, 2), 3)));
  const auto plan = harness.scheduler.Plan(0, kAllPrefill);
  ASSERT_EQ(plan.size(), 2u);
  EXPECT_EQ(plan[0].num_tokens, 1u);
  EXPECT_EQ(plan[1].num_tokens, 7u) << "the chunk fills the budget";
  EXPECT_EQ(plan[1].num_logit_rows, 0u);
  EXPECT_FALSE(plan[1].completes);
}

TEST(Scheduler, PrefillAllowanceBoundsTheChunk) {
  Harness harness(32, {.step_tokens = 64, .step_sequences = 4, .prefill_chunk = 16});
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(30, 1), 1)));
  EXPECT_EQ(harness.scheduler.Plan(0, 5)[0].num_tokens, 5u);
  harness.scheduler.Apply({});
  EXPECT_EQ(harness.scheduler.Plan(0, kAllPrefill)[0].num_tokens, 16u);
}

TEST(Scheduler, SecondRequestReusesTheFullBlocksOfTheFirst) {
  Harness harness(32, {});
  const auto first = harness.scheduler.Submit(Spec(Prompt(13, 1), 2));
  harness.RunAll();
  const auto second = harness.scheduler.Submit(Spec(Prompt(13, 1), 2));
  harness.RunAll();
  EXPECT_EQ(harness.counts[*first].cached_tokens, 0u);
  EXPECT_EQ(harness.counts[*second].cached_tokens, 12u);
  EXPECT_EQ(harness.counts[*second].computed_prompt, 1u);
  EXPECT_EQ(harness.ended[*second], harness.ended[*first]);
}

TEST(Scheduler, APrefixBeingComputedIsAwaitedNotComputedAgain) {
  Harness harness(64, {.step_tokens = 16, .step_sequences = 8, .step_logit_rows = 8});
  const auto first = harness.scheduler.Submit(Spec(Prompt(60, 1), 2));
  std::vector<TokenId> longer = Prompt(60, 1);
  longer[30] ^= 1;  // seven blocks are common
  const auto second = harness.scheduler.Submit(Spec(longer, 2));
  const auto other = harness.scheduler.Submit(Spec(Prompt(9, 7), 2));
  ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.scheduler.Get(*second).awaits, *first);
  EXPECT_EQ(harness.scheduler.Get(*other).state, SequenceState::kRunning) << "not held up";
  ASSERT_TRUE(harness.Step());
  ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.scheduler.Get(*second).awaits, kNoSequence) << "28 tokens are computed";
  harness.RunAll();
  EXPECT_EQ(harness.counts[*second].cached_tokens, 28u);
  EXPECT_EQ(harness.ended[*second], Continue(longer, 2));
}

TEST(Scheduler, AShortCommonPrefixIsNotAwaited) {
  Harness harness(64, {.step_tokens = 64, .step_sequences = 8, .step_logit_rows = 8});
  std::vector<TokenId> other = Prompt(60, 1);
  other[15] ^= 1;  // three blocks are common: less than a step
  harness.scheduler.Submit(Spec(Prompt(60, 1), 2)).value();
  const auto second = harness.scheduler.Submit(Spec(other, 2));
  ASSERT_TRUE(harness.Step(8));
  EXPECT_EQ(harness.scheduler.Get(*second).state, SequenceState::kRunning);
  harness.RunAll();
  EXPECT_EQ(harness.ended[*second], Continue(other, 2));
}

TEST(Scheduler, WhoeverAwaitsOneThatIsCancelledGoesOnFromWhatIsThere) {
  Harness harness(64, {.step_tokens = 20, .step_sequences = 8, .step_logit_rows = 8});
  const auto first = harness.scheduler.Submit(Spec(Prompt(60, 1), 2));
  const auto second = harness.scheduler.Submit(Spec(Prompt(60, 1), 2));
  ASSERT_TRUE(harness.Step());
  ASSERT_EQ(harness.scheduler.Get(*second).awaits, *first);
  ASSERT_TRUE(harness.Step());
  harness.scheduler.Cancel(*first);
  harness.scheduler.CheckInvariants();
  harness.RunAll();
  EXPECT_EQ(harness.counts[*second].cached_tokens, 40u);
  EXPECT_EQ(harness.ended[*second], Continue(Prompt(60, 1), 2));
}

TEST(Scheduler, WhoeverIsRequeuedBeginsAnewWithAllItsTokens) {
  Harness harness(64, {.step_tokens = 16, .step_sequences = 8, .step_logit_rows = 8});
  const auto first = harness.scheduler.Submit(Spec(Prompt(40, 1), 6));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(harness.Step());  // three chunks, the last with a token
  harness.scheduler.Requeue(*first);
  harness.scheduler.CheckInvariants();
  EXPECT_EQ(harness.scheduler.Get(*first).state, SequenceState::kWaiting);
  EXPECT_EQ(harness.scheduler.Get(*first).num_generated(), 3u);
  harness.scheduler.Requeue(*first);  // it waits already
  harness.scheduler.Requeue(SequenceId{77});
  harness.RunAll();
  EXPECT_EQ(harness.counts[*first].preemptions, 1u);
  EXPECT_EQ(harness.ended[*first], Continue(Prompt(40, 1), 6));
}

TEST(Scheduler, WhoeverAwaitsOneThatIsPreemptedIsServedAfterIt) {
  Harness harness(22, {.step_tokens = 16, .step_sequences = 8, .step_logit_rows = 8});
  const auto old = harness.scheduler.Submit(Spec(Prompt(3, 5), 40));
  ASSERT_TRUE(harness.Step());
  const auto awaited = harness.scheduler.Submit(Spec(Prompt(74, 1), 2));
  const auto awaiting = harness.scheduler.Submit(Spec(Prompt(74, 1), 2));
  bool preempted_while_awaited = false;
  while (harness.Step(2)) {
    harness.scheduler.CheckInvariants();
    if (harness.ended.contains(*awaited)) continue;
    preempted_while_awaited =
        preempted_while_awaited || (harness.scheduler.Get(*awaited).counts.preemptions > 0 &&
                                    harness.scheduler.Get(*awaiting).awaits == *awaited);
  }
  EXPECT_TRUE(preempted_while_awaited);
  EXPECT_EQ(harness.ended[*old], Continue(Prompt(3, 5), 40));
  EXPECT_EQ(harness.ended[*awaited], Continue(Prompt(74, 1), 2));
  EXPECT_EQ(harness.ended[*awaiting], Continue(Prompt(74, 1), 2));
}

// Many long prompts that begin alike are not all hashed and looked up between two steps.
TEST(Scheduler, OnePlanTriesABoundedNumberOfTokens) {
  constexpr uint32_t kLong = 40'000;
  Harness harness(200'000 / kTokensPerBlock, {}, 64);
  harness.scheduler.Submit(Spec(Prompt(kLong, 1), 1)).value();
  std::vector<SequenceId> others;
  for (int i = 0; i < 20; ++i) {
    others.push_back(*harness.scheduler.Submit(Spec(Prompt(kLong, 1), 1)));
  }
  const auto tried = [&] {
    return std::ranges::count_if(
        others, [&](SequenceId id) { return harness.scheduler.Get(id).awaits != kNoSequence; });
  };
  harness.scheduler.Plan(0, 1);
  EXPECT_EQ(tried(), 6);  // with the first one the seventh: more than 2^18 tokens
  harness.scheduler.Apply({});
  harness.scheduler.Plan(0, 1);
  EXPECT_EQ(tried(), 13);
}

TEST(Scheduler, GeneratedBlocksAreReusedByTheNextTurn) {
  Harness harness(32, {});
  const auto first = harness.scheduler.Submit(Spec(Prompt(6, 1), 8));
  harness.RunAll();
  const auto next = harness.scheduler.Submit(Spec(harness.ended[*first], 1));
  harness.RunAll();
  EXPECT_EQ(harness.counts[*next].cached_tokens, 12u);
}

TEST(Scheduler, RefusesAtTheDoor) {
  Harness harness(4, {.step_sequences = 1}, 1);
  const auto never = harness.scheduler.Submit(Spec(Prompt(10, 1), 8));
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().code, ErrorCode::kNeverFits);
  EXPECT_NE(never.error().message.find("need 5 blocks"), std::string::npos)
      << never.error().message;
  // 16 tokens of KV: the last token chosen needs none.
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(10, 1), 7)));
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(10, 2), 7)));
  const auto full = harness.scheduler.Submit(Spec(Prompt(10, 3), 7));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kOverloaded);
  harness.RunAll();
  EXPECT_EQ(harness.ended.size(), 2u);
}

TEST(Scheduler, TheQueueIsBoundedInChoicesButALoneRequestIsTaken) {
  Harness harness(32, {.step_sequences = 1}, 4);
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(6, 1), 2, 6))) << "nobody waits";
  const auto full = harness.scheduler.Submit(Spec(Prompt(6, 2), 2));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kOverloaded);
  harness.RunAll();
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(6, 2), 2)));
  EXPECT_FALSE(harness.scheduler.Submit(Spec(Prompt(6, 3), 2, 5)));
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(6, 3), 2, 4))) << "one of them may run";
}

TEST(Scheduler, AWaitingChoiceHoldsNoCopyOfThePrompt) {
  Harness harness(32, {});
  const auto leader = harness.scheduler.Submit(Spec(Prompt(14, 1), 3, 3));
  for (uint64_t i = 1; i < 3; ++i) {
    const SequenceId id{static_cast<uint64_t>(*leader) + i};
    EXPECT_TRUE(harness.scheduler.Get(id).tokens.empty());
    EXPECT_EQ(harness.scheduler.Get(id).prompt, harness.scheduler.Get(*leader).prompt);
  }
}

// The leader is gone before another choice could start, and nothing keeps its blocks.
TEST(Scheduler, ChoicesShareAnUnstoredPromptThatOutlivesItsLeader) {
  for (const uint32_t step_sequences : {1u, 2u, 8u}) {
    Harness harness(32, {.step_sequences = step_sequences});
    SequenceSpec spec = Spec(Prompt(14, 1), 1, 5);
    spec.store = false;
    const auto first = harness.scheduler.Submit(std::move(spec));
    const auto other = harness.scheduler.Submit(Spec(Prompt(5, 2), 3));
    harness.RunAll();
    for (uint64_t i = 0; i < 5; ++i) {
      const SequenceId id{static_cast<uint64_t>(*first) + i};
      EXPECT_EQ(harness.ended[id], Continue(Prompt(14, 1), 1));
      EXPECT_EQ(harness.counts[id].computed_prompt, i == 0 ? 14u : 2u);
    }
    EXPECT_TRUE(harness.ended.contains(*other));
    EXPECT_EQ(harness.cache.pool().num_live(), 0u);
  }
}

TEST(Scheduler, ChoicesShareThePromptOfALeaderThatGaveAllItsRows) {
  for (const bool store : {true, false}) {
    Harness harness(32, {});
    SequenceSpec spec = Spec(Prompt(14, 1), 1, 3);
    spec.all_rows = true;
    spec.store = store;
    const auto first = harness.scheduler.Submit(std::move(spec));
    harness.RunAll();
    for (uint64_t i = 1; i < 3; ++i) {
      const SequenceId id{static_cast<uint64_t>(*first) + i};
      EXPECT_EQ(harness.counts[id].computed_prompt, 2u) << store;
    }
    EXPECT_EQ(harness.rows[*first], 14u);
  }
}

// Only choice 0 must give every row, so only choice 0 looks nothing up.
TEST(Scheduler, TheOtherChoicesOfAllRowsLookThePromptUp) {
  Harness harness(32, {});
  harness.scheduler.Submit(Spec(Prompt(14, 1), 1)).value();
  harness.RunAll();
  SequenceSpec spec = Spec(Prompt(14, 1), 2, 2);
  spec.all_rows = true;
  const auto leader = harness.scheduler.Submit(std::move(spec));
  harness.scheduler.Cancel(*leader);
  harness.RunAll();
  EXPECT_EQ(harness.counts[SequenceId{static_cast<uint64_t>(*leader) + 1}].cached_tokens, 12u);
}

TEST(Scheduler, PreemptsTheYoungestAndResumesItWithTheSameTokens) {
  Harness harness(6, {});
  const auto old = harness.scheduler.Submit(Spec(Prompt(7, 1), 12));
  const auto young = harness.scheduler.Submit(Spec(Prompt(6, 2), 14));
  harness.RunAll();
  EXPECT_EQ(harness.counts[*old].preemptions, 0u);
  EXPECT_GT(harness.counts[*young].preemptions, 0u);
  EXPECT_EQ(harness.ended[*old], Continue(Prompt(7, 1), 12));
  EXPECT_EQ(harness.ended[*young], Continue(Prompt(6, 2), 14));
}

TEST(Scheduler, ChoicesShareThePromptWhetherStoredOrNot) {
  for (const bool store : {true, false}) {
    Harness harness(32, {});
    SequenceSpec spec = Spec(Prompt(14, 1), 3, 3);
    spec.store = spec.lookup = store;
    const auto first = harness.scheduler.Submit(std::move(spec));
    EXPECT_EQ(harness.scheduler.num_new(), 3u);
    ASSERT_TRUE(harness.Step());
    ASSERT_TRUE(harness.Step());
    EXPECT_EQ(harness.sequences_in_step, 3u);
    // 3 shared blocks, and each choice's own last one or two.
    EXPECT_LE(harness.cache.pool().num_live(), 3u + 3 * 1);
    harness.RunAll();
    for (uint64_t i = 0; i < 3; ++i) {
      const SequenceId id{static_cast<uint64_t>(*first) + i};
      EXPECT_EQ(harness.ended[id], Continue(Prompt(14, 1), 3));
      EXPECT_EQ(harness.counts[id].computed_prompt, i == 0 ? 14u : 2u);
    }
    EXPECT_EQ(harness.cache.pool().num_live(), 0u);
    EXPECT_EQ(harness.cache.pool().num_idle() > 0, store);
  }
}

TEST(Scheduler, AllRowsAreGivenOnceInPiecesThatFit) {
  Harness harness(32, {.step_tokens = 64, .step_sequences = 2, .step_logit_rows = 5});
  harness.scheduler.Submit(Spec(Prompt(18, 1), 1)).value();
  harness.RunAll();
  SequenceSpec spec = Spec(Prompt(18, 1), 0);
  spec.all_rows = true;
  const auto id = harness.scheduler.Submit(std::move(spec));
  harness.RunAll();
  EXPECT_EQ(harness.rows[*id], 18u);
  EXPECT_EQ(harness.counts[*id].cached_tokens, 0u);
  EXPECT_TRUE(harness.ended.contains(*id));
}

TEST(Scheduler, CancelFreesTheBlocksAtOnceAndIsIdempotent) {
  Harness harness(32, {});
  const auto id = harness.scheduler.Submit(Spec(Prompt(14, 1), 9));
  const auto waiting = harness.scheduler.Submit(Spec(Prompt(14, 2), 9));
  ASSERT_TRUE(harness.Step());
  harness.scheduler.Cancel(*id);
  harness.scheduler.Cancel(*id);
  harness.scheduler.Cancel(*waiting);
  EXPECT_EQ(harness.cache.pool().num_live(), 0u);
  EXPECT_FALSE(harness.Step());
  harness.scheduler.CheckInvariants();
}

TEST(Scheduler, FollowersGoOnWithoutTheirLeader) {
  Harness harness(32, {.step_tokens = 8, .step_sequences = 4, .step_logit_rows = 4});
  const auto leader = harness.scheduler.Submit(Spec(Prompt(20, 1), 3, 3));
  ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.sequences_in_step, 1u) << "the others wait for the prompt";
  harness.scheduler.Cancel(*leader);
  harness.RunAll();
  EXPECT_EQ(harness.ended.size(), 2u);
  for (const auto& [id, tokens] : harness.ended) EXPECT_EQ(tokens, Continue(Prompt(20, 1), 3));
}

TEST(Scheduler, AYoungerRequestIsServedWhileFollowersWaitForTheirLeader) {
  Harness harness(32, {.step_tokens = 8, .step_sequences = 4, .step_logit_rows = 4});
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(20, 1), 3, 2)));
  const auto young = harness.scheduler.Submit(Spec(Prompt(2, 2), 1));
  ASSERT_TRUE(harness.Step());
  EXPECT_TRUE(harness.ended.contains(*young)) << "short work passes long work";
  harness.RunAll();
  EXPECT_EQ(harness.ended.size(), 3u);
}

TEST(Scheduler, ShortWorkPassesLongWorkUntilThatHasWaitedAsLong) {
  Harness harness(400, {.step_tokens = 16, .step_sequences = 1});
  SequenceSpec running = Spec(Prompt(3, 9), 200);
  ASSERT_TRUE(harness.scheduler.Submit(std::move(running)));
  ASSERT_TRUE(harness.Step());
  const auto longer = harness.scheduler.Submit(Spec(Prompt(300, 1), 1));
  std::vector<SequenceId> later;
  for (const TickMs arrival : {100u, 250u, 320u}) {
    SequenceSpec spec = Spec(Prompt(20, static_cast<uint32_t>(arrival)), 1);
    spec.arrival = arrival;
    later.push_back(*harness.scheduler.Submit(std::move(spec)));
  }
  harness.now = 320;
  std::vector<SequenceId> order;
  while (harness.Step()) {
    for (const SequenceId id : {*longer, later[0], later[1], later[2]}) {
      const bool is_new = std::ranges::find(order, id) == order.end();
      if (is_new && harness.ended.contains(id)) order.push_back(id);
    }
  }
  EXPECT_EQ(order, (std::vector{later[0], later[1], *longer, later[2]}));
}

TEST(Scheduler, AFloodTakesItsShareOfTheStepsAndNoMore) {
  Harness harness(4000, {.step_tokens = 32, .step_sequences = 8}, 200);
  const OwnerId heavy = harness.AddOwner({}, {.weight = 1});
  const OwnerId light = harness.AddOwner({}, {.weight = 3});
  for (uint32_t i = 0; i < 90; ++i) {
    ASSERT_TRUE(harness.scheduler.Submit(SpecOf(heavy, Prompt(50, 100 + i), 1)));
  }
  std::vector<SequenceId> mine;
  for (uint32_t i = 0; i < 30; ++i) {
    mine.push_back(*harness.scheduler.Submit(SpecOf(light, Prompt(50, 500 + i), 1)));
  }
  const auto missing = [&] {
    return std::ranges::count_if(mine, [&](SequenceId id) { return !harness.ended.contains(id); });
  };
  while (missing() > 0) ASSERT_TRUE(harness.Step());
  const size_t others = harness.ended.size() - mine.size();
  EXPECT_GE(others, 8u) << "the heavy one is served, too";
  EXPECT_LE(others, 18u) << "at a third of the rate of the one with three times the weight";
}

TEST(Scheduler, AFloodLeavesRoomInTheQueue) {
  Harness harness(4000, {.step_sequences = 4, .step_logit_rows = 4}, 16);
  const OwnerId flooder = harness.AddOwner({}, {});
  const OwnerId other = harness.AddOwner({}, {});
  uint32_t taken = 0;
  while (harness.scheduler.Submit(SpecOf(flooder, Prompt(5, taken), 1))) ++taken;
  EXPECT_EQ(taken, 10u) << "half of 16 + 4";
  for (uint32_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(harness.scheduler.Submit(SpecOf(other, Prompt(5, 100 + i), 1)));
  }
}

TEST(Scheduler, AnOwnerRunsNoMoreThanItMay) {
  Harness harness(400, {.step_sequences = 8});
  const OwnerId owner = harness.AddOwner({}, {.max_running = 2});
  for (uint32_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(harness.scheduler.Submit(SpecOf(owner, Prompt(5, i), 4)));
  }
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(5, 9), 4)));
  ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.scheduler.num_running(), 3u);
  harness.RunAll();
  EXPECT_EQ(harness.ended.size(), 6u);
}

TEST(Scheduler, ACrowdLeavesAPlaceForWhoHasNone) {
  Harness harness(400, {.step_sequences = 8}, 40);
  const OwnerId other = harness.AddOwner({}, {});
  for (uint32_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(5, i), 30)));
  }
  ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.scheduler.num_running(), 7u);
  const auto late = harness.scheduler.Submit(SpecOf(other, Prompt(5, 99), 30));
  ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.scheduler.Get(*late).state, SequenceState::kRunning);
  EXPECT_EQ(harness.scheduler.num_running(), 8u);
  harness.RunAll();
  EXPECT_EQ(harness.ended.size(), 11u);
}

TEST(Scheduler, WhoIsWithinItsGuaranteePreemptsWhoIsBeyond) {
  Harness harness(20, {});
  const OwnerId beyond = harness.AddOwner({}, {});
  const OwnerId entitled = harness.AddOwner({.guaranteed_blocks = 10}, {});
  const auto old = harness.scheduler.Submit(SpecOf(beyond, Prompt(30, 1), 9));
  ASSERT_TRUE(harness.Step());
  const auto young = harness.scheduler.Submit(SpecOf(entitled, Prompt(30, 2), 9));
  ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.scheduler.Get(*young).state, SequenceState::kRunning);
  harness.RunAll();
  EXPECT_EQ(harness.counts[*young].preemptions, 0u);
  EXPECT_EQ(harness.ended[*old], Continue(Prompt(30, 1), 9));
  EXPECT_EQ(harness.ended[*young], Continue(Prompt(30, 2), 9));
}

TEST(Scheduler, WhoIsBeyondMakesWayBeforeAnotherLosesWhatIsCachedWithinItsGuarantee) {
  Harness harness(20, {});
  const OwnerId beyond = harness.AddOwner({}, {});
  const OwnerId entitled = harness.AddOwner({.guaranteed_blocks = 10}, {});
  ASSERT_TRUE(harness.scheduler.Submit(SpecOf(entitled, Prompt(16, 1), 1)));
  harness.RunAll();
  const uint32_t idle = harness.cache.pool().counts(entitled).idle;
  ASSERT_GE(idle, 3u);
  const auto older = harness.scheduler.Submit(SpecOf(beyond, Prompt(27, 2), 8));
  const auto younger = harness.scheduler.Submit(SpecOf(beyond, Prompt(27, 3), 8));
  ASSERT_TRUE(harness.Step());
  ASSERT_EQ(harness.scheduler.num_running(), 2u);
  const auto newcomer = harness.scheduler.Submit(SpecOf(entitled, Prompt(17, 4), 6));
  ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.scheduler.Get(*newcomer).state, SequenceState::kRunning);
  EXPECT_EQ(harness.scheduler.Get(*older).state, SequenceState::kRunning);
  EXPECT_EQ(harness.scheduler.Get(*younger).state, SequenceState::kWaiting);
  EXPECT_EQ(harness.cache.pool().counts(entitled).idle, idle);
  harness.RunAll();
  EXPECT_EQ(harness.counts[*newcomer].preemptions, 0u);
  EXPECT_EQ(harness.ended[*younger], Continue(Prompt(27, 3), 8));
  const auto again = harness.scheduler.Submit(SpecOf(entitled, Prompt(16, 1), 1));
  harness.RunAll();
  EXPECT_EQ(harness.counts[*again].cached_tokens, 12u);
}

TEST(Scheduler, WhatWasPinnedAwayIsReportedNotWaitedFor) {
  Harness harness(10, {});
  const OwnerId owner = harness.AddOwner({}, {});
  const auto big = harness.scheduler.Submit(SpecOf(owner, Prompt(36, 1), 2));
  ASSERT_TRUE(big);
  BlockTable table;
  const auto pinned = Prompt(12, 2);
  ASSERT_TRUE(harness.cache.Grow(table, 12, EvictionReason::kPrefill));
  harness.cache.Commit(AnyScope(), pinned, 12, table);
  PinId pin{};
  ASSERT_TRUE(harness.cache.Pin(table, 3, pin));
  harness.cache.Release(table);
  EXPECT_TRUE(harness.scheduler.Plan(0, kAllPrefill).empty());
  ASSERT_EQ(harness.scheduler.never_fits().size(), 1u);
  EXPECT_EQ(harness.scheduler.never_fits()[0], *big);
  harness.scheduler.Cancel(*big);
  harness.cache.Unpin(pin);
  harness.scheduler.CheckInvariants();
}

TEST(Scheduler, WhoGrowsWithinItsGuaranteeLosesNothingThatIsCachedForIt) {
  Harness harness(20, {});
  const OwnerId beyond = harness.AddOwner({}, {});
  const OwnerId entitled = harness.AddOwner({.guaranteed_blocks = 10}, {});
  ASSERT_TRUE(harness.scheduler.Submit(SpecOf(entitled, Prompt(16, 1), 1)));
  harness.RunAll();
  const uint32_t idle = harness.cache.pool().counts(entitled).idle;
  ASSERT_GE(idle, 3u);
  const auto grows = harness.scheduler.Submit(SpecOf(entitled, Prompt(9, 2), 12));
  const auto older = harness.scheduler.Submit(SpecOf(beyond, Prompt(17, 3), 20));
  const auto younger = harness.scheduler.Submit(SpecOf(beyond, Prompt(17, 4), 20));
  ASSERT_TRUE(harness.Step());
  ASSERT_EQ(harness.scheduler.num_running(), 3u);
  while (!harness.ended.contains(*grows)) {
    ASSERT_GE(harness.cache.pool().counts(entitled).idle, idle);
    ASSERT_TRUE(harness.Step());
  }
  harness.RunAll();
  EXPECT_EQ(harness.counts[*grows].preemptions, 0u);
  EXPECT_GT(harness.counts[*younger].preemptions, 0u);
  EXPECT_EQ(harness.ended[*older], Continue(Prompt(17, 3), 20));
  EXPECT_EQ(harness.ended[*younger], Continue(Prompt(17, 4), 20));
}

TEST(Scheduler, NobodyMakesWayWhereThatWouldNotDo) {
  Harness harness(20, {});
  const OwnerId beyond = harness.AddOwner({}, {});
  const OwnerId entitled = harness.AddOwner({.guaranteed_blocks = 16}, {});
  BlockTable table(entitled);
  ASSERT_TRUE(harness.cache.Grow(table, 16, EvictionReason::kPrefill));
  harness.cache.Commit(AnyScope(), Prompt(16, 2), 16, table);
  PinId pin{};
  ASSERT_TRUE(harness.cache.Pin(table, 4, pin));
  harness.cache.Release(table);
  ASSERT_EQ(harness.cache.pool().counts(entitled).pinned, 4u);
  BlockTable held;  // as a read from the disk holds blocks, which nobody can preempt
  ASSERT_TRUE(harness.cache.Grow(held, 24, EvictionReason::kPrefill));
  const auto runs = harness.scheduler.Submit(SpecOf(beyond, Prompt(9, 3), 7));
  ASSERT_TRUE(runs);
  ASSERT_TRUE(harness.Step());
  const auto newcomer = harness.scheduler.Submit(SpecOf(entitled, Prompt(44, 4), 1));
  ASSERT_TRUE(newcomer);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.scheduler.Get(*runs).counts.preemptions, 0u);
  harness.cache.Release(held);
  harness.cache.Unpin(pin);
  harness.RunAll();
  EXPECT_EQ(harness.ended.size(), 2u);
}

// Of the five blocks that it runs with four would stay, pinned. With eight that are free, and the
// one of whoever else runs, that would not do for eleven.
TEST(Scheduler, NobodyMakesWayWhoseBlocksArePinnedAsWell) {
  Harness harness(20, {});
  const OwnerId beyond = harness.AddOwner({.pinned_blocks = 4}, {});
  const OwnerId entitled = harness.AddOwner({.guaranteed_blocks = 12}, {});
  const OwnerId holder = harness.AddOwner({}, {});
  SequenceSpec pins = SpecOf(beyond, Prompt(17, 1), 1);
  pins.pin_ms = 1000;
  ASSERT_TRUE(harness.scheduler.Submit(std::move(pins)));
  harness.RunAll();
  ASSERT_EQ(harness.cache.pool().counts(beyond).pinned, 4u);
  const auto runs = harness.scheduler.Submit(SpecOf(beyond, Prompt(17, 1), 4));
  ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(1, 3), 4)));
  ASSERT_TRUE(harness.Step());
  ASSERT_EQ(harness.scheduler.num_running(), 2u);
  ASSERT_EQ(harness.cache.pool().counts(beyond), (BlockCounts{.live = 5}));
  BlockTable held(holder);  // as a read from the disk holds blocks, which nobody can preempt
  ASSERT_TRUE(harness.cache.Grow(held, 6 * kTokensPerBlock, EvictionReason::kPrefill));
  const auto newcomer = harness.scheduler.Submit(SpecOf(entitled, Prompt(44, 2), 1));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(harness.Step());
  EXPECT_EQ(harness.scheduler.Get(*runs).counts.preemptions, 0u);
  EXPECT_EQ(harness.scheduler.Get(*newcomer).state, SequenceState::kWaiting);
  harness.cache.Release(held);
  harness.RunAll();
  EXPECT_EQ(harness.ended.size(), 4u);
}

TEST(Scheduler, PinsOfAGroupCanBeEnded) {
  Harness harness(20, {});
  for (uint64_t group = 1; group <= 2; ++group) {
    SequenceSpec spec = Spec(Prompt(17, static_cast<uint32_t>(group)), 1);
    spec.pin_ms = 1000;
    spec.pin_group = group;
    ASSERT_TRUE(harness.scheduler.Submit(std::move(spec)));
    harness.RunAll();
  }
  const uint32_t both = harness.cache.pool().num_pinned();
  ASSERT_GT(both, 0u);
  harness.scheduler.Unpin(2);
  EXPECT_EQ(harness.cache.pool().num_pinned(), both / 2);
  harness.scheduler.Unpin(2);  // there are none any more
  harness.scheduler.Unpin(1);
  EXPECT_EQ(harness.cache.pool().num_pinned(), 0u);
  harness.scheduler.CheckInvariants();
}

TEST(Scheduler, KeptBlocksOutliveOthersOfTheirOwner) {
  Harness harness(12, {});
  SequenceSpec spec = Spec(Prompt(17, 1), 1);
  spec.keep_ms = 1000;
  ASSERT_TRUE(harness.scheduler.Submit(std::move(spec)));
  harness.RunAll();
  for (uint32_t i = 0; i < 9; ++i) {
    harness.now += 10;
    ASSERT_TRUE(harness.scheduler.Submit(Spec(Prompt(17, 10 + i), 1)));
    harness.RunAll();
  }
  EXPECT_EQ(harness.cache.CountCached(AnyScope(), Prompt(17, 1)), 16u);
  EXPECT_EQ(harness.cache.CountCached(AnyScope(), Prompt(17, 10)), 0u);
}

}  // namespace
}  // namespace quire
