#include "engine/retention/pause_estimate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace quire {
namespace {

TEST(PauseEstimate, KeepsForAMinuteOrSoWhereNothingIsKnown) {
  const TickMs bound = PauseEstimate().Bound();
  EXPECT_GE(bound, 30'000u);
  EXPECT_LE(bound, 90'000u);
}

TEST(PauseEstimate, FollowsToolsThatAreFastAndThenSlow) {
  PauseEstimate pauses;
  for (int i = 0; i < 100; ++i) pauses.Note(200);
  EXPECT_LE(pauses.Bound(), 500u);
  EXPECT_GE(pauses.Bound(), 200u);
  for (int i = 0; i < 20; ++i) pauses.Note(20'000);
  EXPECT_GE(pauses.Bound(), 20'000u) << "a sixth of the last pauses is more than a twentieth";
  for (int i = 0; i < 1000; ++i) pauses.Note(200);
  EXPECT_LE(pauses.Bound(), 500u) << "what was long ago is forgotten";
}

TEST(PauseEstimate, TakesAnyPause) {
  PauseEstimate pauses;
  for (const TickMs pause : {TickMs{0}, TickMs{1}, ~TickMs{0}}) pauses.Note(pause);
  EXPECT_GT(pauses.Bound(), 0u);
}

// Against the plain quantile of the last pauses: never less than it, and never more than a class
// and the spare beyond.
TEST(PauseEstimate, IsCloseToTheQuantile) {
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    std::lognormal_distribution<double> pause(5 + round % 5, 0.3 + 0.1 * (round % 4));
    PauseEstimate pauses;
    std::vector<TickMs> all;
    for (int i = 0; i < 2000; ++i) {
      all.push_back(static_cast<TickMs>(pause(random)) + 1);
      pauses.Note(all.back());
    }
    std::ranges::sort(all);
    EXPECT_GE(pauses.Bound(), all[all.size() * 90 / 100]) << "round " << round;
    EXPECT_LE(pauses.Bound(), 4 * std::max<TickMs>(all[all.size() * 99 / 100], 63));
  }
}

}  // namespace
}  // namespace quire
