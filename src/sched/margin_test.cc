// Whoever has a margin starts only where there is room for its answer too.
#include <gtest/gtest.h>

#include <random>

#include "tests/sched/scheduler_harness.h"

namespace quire {
namespace {

constexpr StepBudget kBudget{.step_tokens = 32, .step_sequences = 6, .step_logit_rows = 6};

SequenceSpec WithMargin(SequenceSpec spec, double margin) {
  spec.handling.admission_margin = margin;
  return spec;
}

bool Runs(const Harness& harness, SequenceId id) {
  return harness.scheduler.Get(id).state == SequenceState::kRunning;
}

// 20 blocks: the first takes 2 and will need 8 more, so 18 are free, of which one is spoken for.
TEST(Margin, ItIsFreeBeforeTheStart) {
  for (const auto& [margin, starts] : {std::pair(0.0, true), {1.0, true}, {1.5, false}}) {
    Harness harness(20, kBudget);
    harness.scheduler.Submit(Spec(Prompt(8, 1), 33)).value();
    ASSERT_TRUE(harness.Step());
    // 7 blocks for its prompt, 8 for its answer: 15 of 17, or 19.
    const auto id = harness.scheduler.Submit(WithMargin(Spec(Prompt(28, 2), 33), margin));
    ASSERT_TRUE(harness.Step());
    EXPECT_EQ(Runs(harness, *id), starts) << margin;
    harness.RunAll();
    EXPECT_EQ(harness.ended[*id], Continue(Prompt(28, 2), 33)) << "whatever its margin";
  }
}

TEST(Margin, NobodyElseStartsInWhatIsLeftOfIt) {
  for (const auto& [margin, starts] : {std::pair(0.0, true), {1.0, false}}) {
    Harness harness(20, kBudget);
    harness.scheduler.Submit(WithMargin(Spec(Prompt(8, 1), 41), margin)).value();
    ASSERT_TRUE(harness.Step());
    const auto id = harness.scheduler.Submit(Spec(Prompt(36, 2), 1));  // 9 blocks of 18, or of 8
    ASSERT_TRUE(harness.Step());
    EXPECT_EQ(Runs(harness, *id), starts) << margin;
    harness.RunAll();
  }
}

TEST(Margin, NoMoreIsKeptThanItsOwnerMayHave) {
  Harness harness(40, kBudget);
  const OwnerId bounded = harness.AddOwner({.limit_blocks = 12}, {});
  const OwnerId other = harness.AddOwner({}, {});
  harness.scheduler.Submit(WithMargin(SpecOf(bounded, Prompt(8, 1), 33), 100)).value();
  ASSERT_TRUE(harness.Step());
  const auto id = harness.scheduler.Submit(SpecOf(other, Prompt(80, 2), 1));  // 20 of 28 blocks
  ASSERT_TRUE(harness.Step());
  EXPECT_TRUE(Runs(harness, *id));
  harness.RunAll();
}

TEST(Margin, WhoeverIsAloneStartsWithoutIt) {
  Harness harness(20, kBudget);
  const auto id = harness.scheduler.Submit(WithMargin(Spec(Prompt(40, 1), 30), 100));
  ASSERT_TRUE(harness.Step());
  EXPECT_TRUE(Runs(harness, *id));
  harness.RunAll();
  EXPECT_EQ(harness.ended[*id], Continue(Prompt(40, 1), 30));
}

uint64_t PreemptionsWith(double margin, uint32_t seed) {
  std::minstd_rand random(seed);
  Harness harness(24, kBudget);
  for (int i = 0; i < 300; ++i) {
    harness.now += 10;
    SequenceSpec spec = Spec(Prompt(1 + random() % 40, random() % 8), random() % 40);
    (void)harness.scheduler.Submit(WithMargin(std::move(spec), margin));
    harness.Step(1 + random() % 20);
    harness.scheduler.CheckInvariants();
  }
  harness.RunAll();
  return harness.scheduler.num_preemptions();
}

TEST(Margin, WhereAllHaveTheirsNobodyIsPreempted) {
  uint64_t without = 0;
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    without += PreemptionsWith(0, seed);
    EXPECT_EQ(PreemptionsWith(1, seed), 0u) << seed;
  }
  EXPECT_GT(without, 20u);
}

}  // namespace
}  // namespace quire
