// Who waits for blocks from a tier below memory before it starts.
#include <gtest/gtest.h>

#include <vector>

#include "tests/sched/scheduler_harness.h"

namespace quire {
namespace {

// Asks of everybody, and remembers whom.
struct Below {
  explicit Below(Harness& harness) {
    harness.scheduler.OnAdmit([this](const Sequence& sequence, uint32_t) {
      asked.push_back(sequence.id);
      return fetches;
    });
  }
  std::vector<SequenceId> asked;
  bool fetches = true;
};

TEST(Fetch, WhoeverIsFetchedWaitsAndOthersDoNot) {
  Harness harness(32, {});
  Below below(harness);
  const auto first = harness.scheduler.Submit(Spec(Prompt(13, 1), 2));
  EXPECT_FALSE(harness.Step()) << "nothing is to be done but to wait";
  EXPECT_EQ(harness.scheduler.num_fetching(), 1u);
  below.fetches = false;
  const auto second = harness.scheduler.Submit(Spec(Prompt(9, 2), 2));
  harness.RunAll();
  EXPECT_TRUE(harness.ended.contains(*second));
  EXPECT_FALSE(harness.ended.contains(*first));
  harness.scheduler.Fetched(*first);
  harness.scheduler.Fetched(*first);  // it waits no more
  harness.RunAll();
  EXPECT_EQ(harness.ended[*first], Continue(Prompt(13, 1), 2));
  EXPECT_EQ(below.asked, (std::vector{*first, *second})) << "each once";
  EXPECT_EQ(harness.scheduler.num_fetching(), 0u);
}

TEST(Fetch, WhoeverWasPreemptedIsAskedForAgain) {
  Harness harness(12, {});
  Below below(harness);
  below.fetches = false;
  const auto old = harness.scheduler.Submit(Spec(Prompt(5, 1), 36));
  const auto young = harness.scheduler.Submit(Spec(Prompt(5, 2), 30));
  while (harness.scheduler.num_preemptions() == 0) ASSERT_TRUE(harness.Step());
  EXPECT_EQ(below.asked, (std::vector{*old, *young}));
  below.fetches = true;
  harness.RunAll();
  EXPECT_EQ(below.asked, (std::vector{*old, *young, *young}));
  EXPECT_EQ(harness.scheduler.num_fetching(), 1u);
  harness.scheduler.CheckInvariants();
  harness.scheduler.Fetched(*young);
  harness.RunAll();
  EXPECT_EQ(harness.ended[*young], Continue(Prompt(5, 2), 30));
}

TEST(Fetch, ACancelEndsIt) {
  Harness harness(32, {});
  const Below below(harness);
  const auto id = harness.scheduler.Submit(Spec(Prompt(13, 1), 2));
  EXPECT_FALSE(harness.Step());
  harness.scheduler.Cancel(*id);
  EXPECT_EQ(harness.scheduler.num_fetching(), 0u);
  harness.scheduler.Fetched(*id);
  EXPECT_FALSE(harness.Step());
  harness.scheduler.CheckInvariants();
}

// A read from the disk holds blocks of no sequence: they come back.
TEST(Fetch, NobodyIsRefusedForBlocksThatAReadHolds) {
  Harness harness(8, {});
  BlockTable read;
  ASSERT_TRUE(harness.cache.Grow(read, 5 * harness.cache.block_tokens(), EvictionReason::kPrefill));
  const auto big = harness.scheduler.Submit(Spec(Prompt(21, 1), 4));
  ASSERT_TRUE(big);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(harness.Step());
  EXPECT_TRUE(harness.scheduler.never_fits().empty());
  harness.cache.Release(read);
  harness.RunAll();
  EXPECT_EQ(harness.ended[*big], Continue(Prompt(21, 1), 4));
}

}  // namespace
}  // namespace quire
