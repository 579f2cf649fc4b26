#include "engine/pace.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

// A machine that needs 5 ms for a step and 0.5 ms for each row.
constexpr double kRowsPerSecond = 2000;
double TimeOf(uint32_t rows) { return 0.005 + rows / kRowsPerSecond; }

StepShape Rows(uint32_t rows) { return {rows, 0}; }

void Teach(Pace& pace) {
  for (int i = 0; i < 50; ++i) {
    for (const uint32_t rows : {1u, 8u, 64u}) pace.NoteStep(TimeOf(rows), Rows(rows), 0);
    for (const uint32_t rows : {16u, 200u, 400u}) pace.NoteStep(TimeOf(rows), Rows(rows), rows);
  }
}

TEST(Pace, WithoutATargetTheStepIsFilled) {
  const Pace pace(512, 0);
  EXPECT_EQ(pace.Room({1, 100}, false, 0).tokens, StepRoom().tokens);
}

TEST(Pace, NoStepTakesLongerThanTheTarget) {
  Pace pace(512, 0.1);
  EXPECT_EQ(pace.Room({}, false, 0).tokens, 64) << "careful before anything is measured";
  Teach(pace);
  EXPECT_NEAR(pace.Room({}, false, 0).tokens, (0.1 - 0.005) * kRowsPerSecond, 4);
  for (int i = 0; i < 100; ++i) pace.NoteStep(4.0, Rows(20), 20);
  EXPECT_EQ(pace.Room({}, false, 0).tokens, 16)
      << "a machine too slow for its target still goes on";
}

TEST(Pace, BesideDecodesAStepTakesEightTimesTheirs) {
  Pace pace(512, 0.1);
  Teach(pace);
  const double eight = TimeOf(8);
  EXPECT_NEAR(pace.Room(Rows(8), false, 0).tokens, 7 * eight * kRowsPerSecond, 2);
  const double many = TimeOf(130);  // 70 ms
  EXPECT_NEAR(pace.Room(Rows(130), false, 0).tokens, (0.1 - many) * kRowsPerSecond, 2)
      << "what is left of the target";
  EXPECT_NEAR(pace.Room(Rows(180), false, 0).tokens, 0.25 * TimeOf(180) * kRowsPerSecond, 4)
      << "nobody starves";
  EXPECT_NEAR(pace.Room(Rows(180), true, 0).tokens, TimeOf(180) * kRowsPerSecond, 8)
      << "whoever is behind in its share gets as much as the decodes";
  EXPECT_NEAR(pace.Room(Rows(400), true, 0).tokens, 0.1 * kRowsPerSecond, 4)
      << "but no more than another step";
}

TEST(Pace, AStepIsLeftForShortWorkInItsFirstHalf) {
  Pace pace(512, 0.1);
  EXPECT_FALSE(pace.IsWorthLeaving(Rows(190), 0.001, Rows(10))) << "nothing is known";
  Teach(pace);  // 190 rows: 100 ms
  EXPECT_TRUE(pace.IsWorthLeaving(Rows(190), 0.001, Rows(10)));
  EXPECT_TRUE(pace.IsWorthLeaving(Rows(190), 0.045, Rows(10)));
  EXPECT_FALSE(pace.IsWorthLeaving(Rows(190), 0.055, Rows(10))) << "more is lost than won";
  EXPECT_FALSE(pace.IsWorthLeaving(Rows(190), 0.045, Rows(150))) << "no shorter than the rest";
  EXPECT_FALSE(pace.IsWorthLeaving(Rows(2), 0, Rows(1))) << "a short step is soon over";
}

TEST(Pace, WhereNobodyComesAStepMayTakeATwentiethOfThatTime) {
  Pace pace(512, 0.1);
  Teach(pace);
  const auto room_of = [](double seconds) { return (seconds - 0.005) * kRowsPerSecond; };
  pace.NoteBusy(1);
  EXPECT_NEAR(pace.Room({}, false, 1.5).tokens, room_of(0.1), 4);
  EXPECT_NEAR(pace.Room({}, false, 5).tokens, room_of(0.2), 8);
  EXPECT_NEAR(pace.Room({}, false, 1000).tokens, room_of(0.8), 32) << "eight targets at most";
  EXPECT_NEAR(pace.Room(Rows(8), false, 1000).tokens, 7 * TimeOf(8) * kRowsPerSecond, 2)
      << "not beside somebody who is answered";
  pace.NoteBusy(7);
  EXPECT_NEAR(pace.Room({}, false, 7.1).tokens, room_of(0.3), 12) << "a pause says what is usual";
  pace.NoteBusy(7.2);
  EXPECT_NEAR(pace.Room({}, false, 7.3).tokens, room_of(0.1), 4);
}

TEST(Pace, ALongStepIsLeftUntilLittleOfItRemains) {
  Pace pace(2048, 0.1);
  EXPECT_FALSE(pace.HasLongToGo(Rows(1000), 0)) << "nothing is known";
  Teach(pace);  // 1000 rows: 505 ms
  EXPECT_TRUE(pace.HasLongToGo(Rows(1000), 0.35));
  EXPECT_TRUE(pace.IsWorthLeaving(Rows(1000), 0.35, Rows(10)));
  EXPECT_FALSE(pace.IsWorthLeaving(Rows(1000), 0.35, Rows(600))) << "no shorter than the rest";
  EXPECT_FALSE(pace.HasLongToGo(Rows(1000), 0.45));
  EXPECT_TRUE(pace.IsWorthLeaving(Rows(1000), 0.45, Rows(10)));
  EXPECT_FALSE(pace.IsWorthLeaving(Rows(1000), 0.46, Rows(10)))
      << "less than half a target remains";
}

// What forbids a livelock: whoever is thrown out of a step computes the next one to its end.
TEST(Pace, TheStepAfterOneThatWasLeftIsNotLeft) {
  Pace pace(512, 0.1);
  Teach(pace);
  ASSERT_TRUE(pace.IsWorthLeaving(Rows(190), 0.01, Rows(10)));
  pace.NoteLeft(1000);
  EXPECT_FALSE(pace.IsWorthLeaving(Rows(190), 0.01, Rows(10)));
  EXPECT_FALSE(pace.IsWorthLeaving(Rows(1000), 0.01, Rows(10))) << "however long";
  EXPECT_FALSE(pace.HasLongToGo(Rows(1000), 0.01));
  EXPECT_NEAR(pace.Room({}, false, 1000.01).tokens, (0.1 - 0.005) * kRowsPerSecond, 4)
      << "so it is short, whatever was usual before";
  pace.NoteBusy(1000.02);
  EXPECT_NEAR(pace.Room({}, false, 1000.02).tokens, (0.1 - 0.005) * kRowsPerSecond, 4);
  pace.NoteStep(TimeOf(190), Rows(190), 190);
  EXPECT_TRUE(pace.IsWorthLeaving(Rows(190), 0.01, Rows(10)));
  EXPECT_TRUE(pace.HasLongToGo(Rows(1000), 0.01));
}

TEST(Pace, AnswersAreAsLongAsThoseBeforeThem) {
  Pace pace(512, 0.1);
  EXPECT_EQ(pace.tokens_per_choice(), 0) << "none has ended";
  pace.NoteEnds({});
  EXPECT_EQ(pace.tokens_per_choice(), 0) << "nor says one that had no token how long they are";
  for (int i = 0; i < 50; ++i) pace.NoteEnds({1, 10});
  for (int i = 0; i < 50; ++i) pace.NoteEnds({4, 360});
  EXPECT_NEAR(pace.tokens_per_choice(), 90, 0.1);
}

TEST(Pace, ATokenCostsItsShareOfAStepThatDecodes) {
  Pace pace(512, 0.1);
  EXPECT_EQ(pace.SecondsPerToken(Rows(4)), 0) << "nothing measured yet";
  for (const uint32_t rows : {16, 32, 64, 128}) pace.NoteStep(TimeOf(rows), Rows(rows), rows);
  EXPECT_NEAR(pace.SecondsPerToken(Rows(64)), TimeOf(64) / 64, 1e-4);
  EXPECT_GT(pace.SecondsPerToken(Rows(1)), pace.SecondsPerToken(Rows(64)));
  EXPECT_EQ(pace.SecondsPerToken({}), 0);
}

}  // namespace
}  // namespace quire
