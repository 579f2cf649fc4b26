#include "model/team_plan.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

TEST(TeamPlan, TeamsAndTheirTokensAreCompleteAndDisjoint) {
  for (uint32_t workers = 1; workers <= 17; ++workers) {
    for (uint32_t tokens = 0; tokens <= 700; ++tokens) {
      const TeamPlan plan(tokens, workers);
      uint32_t next_worker = 0;
      uint32_t next_token = 0;
      for (uint32_t team = 0; next_worker < workers; ++team) {
        const TeamPlan::Share members = plan.WorkersOf(team);
        const TeamPlan::Share share = plan.TokensOf(team);
        ASSERT_EQ(members.first, next_worker);
        ASSERT_GT(members.count, 0u);
        ASSERT_EQ(share.first, next_token);
        if (!plan.alone()) {
          ASSERT_LE(share.count, kMaxSetTokens) << tokens << " " << workers;
        }
        for (uint32_t i = 0; i < members.count; ++i) {
          ASSERT_EQ(plan.team_of(members.first + i), team);
        }
        for (uint32_t i = 0; i < share.count; ++i) {
          ASSERT_EQ(plan.TeamOfToken(share.first + i), team);
        }
        next_worker += members.count;
        next_token += share.count;
      }
      ASSERT_EQ(next_worker, workers);
      ASSERT_EQ(next_token, tokens);
    }
  }
}

TEST(TeamPlan, SlabsAreCompleteAndSmall) {
  for (uint32_t workers = 1; workers <= 9; ++workers) {
    for (uint32_t tokens = workers * kTeamTokens; tokens <= 2000; ++tokens) {
      const TeamPlan plan(tokens, workers);
      ASSERT_TRUE(plan.alone());
      uint32_t next = 0;
      for (uint32_t slab = 0; slab < workers * plan.slabs_per_worker(); ++slab) {
        ASSERT_EQ(plan.Slab(slab).first, next);
        ASSERT_LE(plan.Slab(slab).count, kMaxSetTokens);
        next += plan.Slab(slab).count;
      }
      ASSERT_EQ(next, tokens);
    }
  }
}

// A decode reads every matrix once; a long prefill meets nobody between attentions.
TEST(TeamPlan, FewTokensAreOneTeam) {
  const TeamPlan decode(1, 4);
  EXPECT_FALSE(decode.alone());
  EXPECT_EQ(decode.WorkersOf(0).count, 4u);
  EXPECT_TRUE(TeamPlan(512, 4).alone());
  EXPECT_TRUE(TeamPlan(1, 1).alone());
}

}  // namespace
}  // namespace quire
