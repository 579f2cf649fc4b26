#include "server/peers/peer_rounds.h"

#include <gtest/gtest.h>

#include <vector>

namespace quire {
namespace {

constexpr PeerRounds::Round kSilent{.asked = 1, .silent = true};

TEST(PeerRounds, ASilentPeerIsAskedEverMoreSeldomAndNeverNot) {
  PeerRounds rounds;
  std::vector<int64_t> asked_at;
  for (int64_t now = 0; now < 1'000'000; now += 500) {
    if (!rounds.Begin("b", now)) continue;
    asked_at.push_back(now);
    rounds.End("b", kSilent, now);
    EXPECT_TRUE(rounds.Begin("a", now)) << "another is no slower for it";
  }
  ASSERT_GE(asked_at.size(), 8u);
  EXPECT_LE(asked_at.size(), 24u);
  for (size_t i = 1; i < asked_at.size(); ++i) {
    const int64_t pause = asked_at[i] - asked_at[i - 1];
    EXPECT_GE(pause, PeerRounds::kFirstMs);
    EXPECT_LE(pause, PeerRounds::kLongestMs);
    if (i > 1) {
      EXPECT_GE(pause, asked_at[i - 1] - asked_at[i - 2]);
    }
  }
  EXPECT_EQ(asked_at.back() - asked_at[asked_at.size() - 2], PeerRounds::kLongestMs);
}

TEST(PeerRounds, WhoSpeaksIsAskedAtOnceUnlessItHadAnswered) {
  PeerRounds rounds;
  rounds.End("b", kSilent, 0);
  EXPECT_FALSE(rounds.Begin("b", 1));
  rounds.Heard("b");
  EXPECT_TRUE(rounds.Begin("b", 1));
  // It said no to all there is: to hear it is no reason to ask again.
  rounds.End("b", {.at_end = true, .asked = 3}, 1);
  rounds.Heard("b");
  EXPECT_FALSE(rounds.Begin("b", 2));
}

TEST(PeerRounds, EverythingHasItsTurn) {
  PeerRounds rounds;
  EXPECT_EQ(*rounds.Begin("b", 0), "");
  rounds.End("b", {.last = "k", .asked = 32}, 0);
  EXPECT_EQ(*rounds.Begin("b", 1), "k") << "no pause before all were asked";
  rounds.End("b", {.last = "m", .asked = 1, .silent = true}, 1);
  EXPECT_EQ(*rounds.Begin("b", 1 + PeerRounds::kFirstMs), "m");
  rounds.End("b", {.last = "z", .at_end = true, .asked = 1, .settled = 1}, 2000);
  EXPECT_EQ(*rounds.Begin("b", 2001), "") << "what was settled is worth going on";
}

TEST(PeerRounds, NothingToAskIsNoReasonToWait) {
  PeerRounds rounds;
  rounds.End("b", {.at_end = true}, 0);
  EXPECT_TRUE(rounds.Begin("b", 0));
}

TEST(PeerRounds, AClockThatIsPutBackDoesNotStretchAPause) {
  PeerRounds rounds;
  rounds.End("b", kSilent, 1'000'000'000);
  EXPECT_FALSE(rounds.Begin("b", 1000));
  EXPECT_TRUE(rounds.Begin("b", 1000 + PeerRounds::kFirstMs));
}

}  // namespace
}  // namespace quire
