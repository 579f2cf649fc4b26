#include "sched/step_target.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

TEST(StepTarget, ATwentiethOfThePauseUpToEightTargets) {
  EXPECT_DOUBLE_EQ(LongestStep(0.1, 0), 0.1);
  EXPECT_DOUBLE_EQ(LongestStep(0.1, 2), 0.1);
  EXPECT_DOUBLE_EQ(LongestStep(0.1, 8), 0.4);
  EXPECT_DOUBLE_EQ(LongestStep(0.1, 16), 0.8);
  EXPECT_DOUBLE_EQ(LongestStep(0.1, 3600), 0.8);
}

}  // namespace
}  // namespace quire
