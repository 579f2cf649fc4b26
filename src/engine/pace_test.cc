#include "engine/pace.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

TEST(Pace, WithoutATargetTheStepIsFilled) {
  const Pace pace(512, 0);
  EXPECT_EQ(pace.PrefillTokens(true), 512u);
}

TEST(Pace, NoStepTakesLongerThanTheTarget) {
  Pace pace(512, 0.1);
  EXPECT_EQ(pace.PrefillTokens(false), 64u) << "careful before anything is measured";
  for (int i = 0; i < 50; ++i) pace.NoteStep(0.1, {.prefill = 300});
  EXPECT_NEAR(pace.PrefillTokens(false), 300, 2);
  for (int i = 0; i < 100; ++i) pace.NoteStep(0.01, {.prefill = 512});
  EXPECT_EQ(pace.PrefillTokens(false), 512u);
  for (int i = 0; i < 100; ++i) pace.NoteStep(4.0, {.prefill = 20});
  EXPECT_EQ(pace.PrefillTokens(false), 16u) << "a machine too slow for its target still goes on";
}

TEST(Pace, BesideDecodesAStepTakesTwiceAndAHalfOfTheirs) {
  Pace pace(512, 0.1);
  for (int i = 0; i < 50; ++i) pace.NoteStep(0.02, {.decode = 4});
  for (int i = 0; i < 50; ++i) pace.NoteStep(0.5, {.prefill = 500});
  EXPECT_NEAR(pace.PrefillTokens(true), 30, 1) << "30 ms at 1000 rows a second";
  for (int i = 0; i < 200; ++i) pace.NoteStep(0.05, {.decode = 4, .prefill = 60});
  EXPECT_NEAR(pace.PrefillTokens(true), 60, 1) << "the decodes' own time is not the prefill's";
  for (int i = 0; i < 100; ++i) pace.NoteStep(0.09, {.decode = 4});
  EXPECT_NEAR(pace.PrefillTokens(true), 20, 2) << "10 ms are left of the target";
  for (int i = 0; i < 100; ++i) pace.NoteStep(0.2, {.decode = 64});
  EXPECT_EQ(pace.PrefillTokens(true), 16u) << "nobody starves";
}

TEST(Pace, TheTimeOfAChoiceIsThatBetweenEndsWhileThereIsWork) {
  Pace pace(512, 0.1);
  EXPECT_EQ(pace.seconds_per_choice(), 0) << "nothing measured yet";
  double now = 0;
  for (int i = 0; i < 50; ++i) {  // a short request, then 20 s of nothing
    pace.NoteBusy(now);
    pace.NoteEnds(1, now += 0.5);
    pace.NoteIdle();
    now += 20;
  }
  EXPECT_NEAR(pace.seconds_per_choice(), 0.5, 1e-6);
  for (int i = 0; i < 50; ++i) {  // requests of a minute, one after the other
    pace.NoteBusy(now);
    pace.NoteEnds(1, now += 60);
  }
  EXPECT_NEAR(pace.seconds_per_choice(), 60, 0.1);
}

TEST(Pace, ThoseThatEndTogetherShareTheTime) {
  Pace pace(512, 0.1);
  pace.NoteBusy(0);
  for (int i = 1; i < 20; ++i) pace.NoteEnds(8, 16.0 * i);
  EXPECT_NEAR(pace.seconds_per_choice(), 2, 1e-6);
}

}  // namespace
}  // namespace quire
