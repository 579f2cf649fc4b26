#include "sched/step_room.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

TEST(StepRoom, WithoutPositionsATokenIsAToken) {
  const StepRoom room(100);
  EXPECT_EQ(room.TokensIn(37, 5000), 37u);
  EXPECT_EQ(room.TokensIn(0, 0), 0u);
  EXPECT_EQ(room.TokensIn(-3, 0), 0u);
  EXPECT_EQ(room.TokensIn(StepRoom().tokens, 0), 0xffffffffu);
}

TEST(StepRoom, DeepTokensCostMoreAndTheMostThatFitIsGiven) {
  StepRoom room;
  for (const double position_tokens : {1e-9, 1e-4, 2e-4, 0.01}) {
    room.position_tokens = position_tokens;
    for (const uint32_t first : {0u, 1000u, 32000u}) {
      for (const double tokens : {1.0, 16.0, 130.0, 5000.0}) {
        const uint32_t count = room.TokensIn(tokens, first);
        EXPECT_LE(room.CostOf(first, count), tokens * (1 + 1e-9));
        EXPECT_GT(room.CostOf(first, count + 1), tokens * (1 - 1e-9));
      }
    }
  }
  room.position_tokens = 2e-4;
  EXPECT_NEAR(room.TokensIn(130, 30000), 130 / 7, 1);
}

}  // namespace
}  // namespace quire
