#include "engine/pace.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

TEST(Pace, UnpacedFillsTheStep) {
  const Pace pace(512, false);
  EXPECT_EQ(pace.PrefillTokens(true), 512u);
}

TEST(Pace, BoundsPrefillByTimeAndBesideDecodes) {
  Pace pace(512, true);
  EXPECT_EQ(pace.PrefillTokens(false), 64u) << "careful before anything is measured";
  for (int i = 0; i < 50; ++i) pace.NoteStep(0.1, 300);
  EXPECT_NEAR(pace.PrefillTokens(false), 300, 2);
  EXPECT_EQ(pace.PrefillTokens(true), 64u);
  for (int i = 0; i < 100; ++i) pace.NoteStep(1.0, 20);
  EXPECT_NEAR(pace.PrefillTokens(true), 16, 1);
  for (int i = 0; i < 100; ++i) pace.NoteStep(0.01, 512);
  EXPECT_EQ(pace.PrefillTokens(false), 512u);
}

TEST(Pace, DecodesSayNothingAboutPrefill) {
  Pace pace(512, true);
  for (int i = 0; i < 100; ++i) pace.NoteStep(0.1, 2);
  EXPECT_EQ(pace.PrefillTokens(false), 64u);
}

TEST(Pace, TheTimeOfAChoiceIsThatBetweenEndsWhileThereIsWork) {
  Pace pace(512, true);
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
  Pace pace(512, true);
  pace.NoteBusy(0);
  for (int i = 1; i < 20; ++i) pace.NoteEnds(8, 16.0 * i);
  EXPECT_NEAR(pace.seconds_per_choice(), 2, 1e-6);
}

}  // namespace
}  // namespace quire
