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
    for (; allowance.CanTake(activity, kPiece); bytes += kPiece) allowance.Take(activity, kPiece);
    allowance.NoteStep(activity, now, now + 0.005);
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
  const WriteAllowance allowance(kMost);
  for (const Activity activity : {Activity::kNone, Activity::kWaiting}) {
    EXPECT_TRUE(allowance.CanTake(activity, uint64_t{1} << 40));
  }
}

TEST(WriteAllowance, AnAnswerThatFollowsARestDoesNotBeginWithAWrite) {
  WriteAllowance allowance(kMost);
  allowance.NoteStep(Activity::kAnswering, 1, 100);
  EXPECT_TRUE(allowance.CanTake(Activity::kAnswering, kMost));
  allowance.NoteStep(Activity::kReading, 101, 102);  // its prompt
  EXPECT_FALSE(allowance.CanTake(Activity::kAnswering, 1));
}

TEST(WriteAllowance, AnAnswerIsNotDisturbedForTheTimeOfItsPrompt) {
  WriteAllowance allowance(kMost);
  allowance.NoteStep(Activity::kReading, 1, 100);
  EXPECT_FALSE(allowance.CanTake(Activity::kAnswering, 1));
  EXPECT_TRUE(allowance.CanTake(Activity::kReading, kMost));
}

TEST(WriteAllowance, SavesUpOneWriteAndNoMore) {
  WriteAllowance allowance(kMost);
  allowance.NoteStep(Activity::kAnswering, 1, 1000);
  EXPECT_TRUE(allowance.CanTake(Activity::kAnswering, kMost)) << "or it would wait for ever";
  allowance.Take(Activity::kAnswering, kMost);
  EXPECT_FALSE(allowance.CanTake(Activity::kAnswering, 1));
  allowance.NoteStep(Activity::kAnswering, 1000, 999);  // a clock that goes back takes nothing away
  allowance.SetCost(1e-6);
  allowance.NoteStep(Activity::kAnswering, 999, 2000);
  EXPECT_TRUE(allowance.CanTake(Activity::kAnswering, kMost)) << "however much dearer it is now";
}

}  // namespace
}  // namespace quire
