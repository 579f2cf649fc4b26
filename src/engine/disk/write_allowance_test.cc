#include "engine/disk/write_allowance.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

constexpr uint64_t kMost = 4 << 20;
constexpr uint64_t kPiece = 1 << 18;

// Seconds that writing takes of so many that the engine does this, a step of 5 ms after the other.
double Written(Activity activity, double seconds_per_byte, double seconds) {
  WriteAllowance allowance(kMost);
  allowance.SetCost(seconds_per_byte);
  uint64_t bytes = 0;
  for (double now = 100; now < 100 + seconds; now += 0.005) {
    allowance.Pass(activity, now);
    for (; allowance.CanTake(kPiece); bytes += kPiece) allowance.Take(kPiece);
  }
  return static_cast<double>(bytes) * seconds_per_byte;
}

TEST(WriteAllowance, IsAShareOfTheTimeWhateverAByteCosts) {
  for (const double cost : {1e-10, 1e-9, 1e-8}) {
    const double answers = Written(Activity::kAnswering, cost, 60);
    EXPECT_LE(answers, 60 * WriteAllowance::kShareBesideAnswers) << cost;
    EXPECT_GE(answers, 60 * WriteAllowance::kShareBesideAnswers - kMost * cost) << cost;
    EXPECT_GT(Written(Activity::kReading, cost, 60), 2 * answers) << "prompts make more blocks";
  }
}

TEST(WriteAllowance, WhereNothingIsComputedAllIsWritten) {
  WriteAllowance allowance(kMost);
  for (const Activity activity : {Activity::kNone, Activity::kWaiting}) {
    allowance.Pass(activity, 1);
    EXPECT_TRUE(allowance.CanTake(uint64_t{1} << 40));
  }
}

TEST(WriteAllowance, TimeInWhichNothingIsDoneIsNotSavedUp) {
  WriteAllowance allowance(kMost);
  allowance.Pass(Activity::kNone, 1);
  allowance.Pass(Activity::kAnswering, 1000);
  EXPECT_FALSE(allowance.CanTake(1)) << "an answer that follows a rest is not disturbed at once";
}

TEST(WriteAllowance, AnAnswerIsNotDisturbedForTheTimeOfItsPrompt) {
  WriteAllowance allowance(kMost);
  allowance.Pass(Activity::kReading, 1);
  allowance.Pass(Activity::kAnswering, 1000);
  EXPECT_FALSE(allowance.CanTake(1));
  allowance.Pass(Activity::kReading, 1000);
  EXPECT_TRUE(allowance.CanTake(kMost));
}

TEST(WriteAllowance, SavesUpOneWriteAndNoMore) {
  WriteAllowance allowance(kMost);
  allowance.Pass(Activity::kAnswering, 1);
  allowance.Pass(Activity::kAnswering, 1000);
  EXPECT_TRUE(allowance.CanTake(kMost)) << "or it would wait for ever";
  allowance.Take(kMost);
  EXPECT_FALSE(allowance.CanTake(1));
  allowance.Pass(Activity::kAnswering, 999);  // a clock that goes back takes nothing away
  allowance.SetCost(1e-6);
  allowance.Pass(Activity::kAnswering, 2000);
  EXPECT_TRUE(allowance.CanTake(kMost)) << "however much dearer it has become";
}

}  // namespace
}  // namespace quire
