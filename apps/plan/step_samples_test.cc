#include "apps/plan/step_samples.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

TEST(StepSamples, SlowStepsOfEveryRoundCountAndASlowRoundDoesNot) {
  EXPECT_DOUBLE_EQ(MedianOfMeans({1, 1, 1, 5, 1, 5, 1, 1, 5, 1, 1, 1}, 3), 2);
  EXPECT_DOUBLE_EQ(MedianOfMeans({1, 3, 50, 90, 1, 5}, 3), 3);
  EXPECT_DOUBLE_EQ(MedianOfMeans({7, 1, 4}, 3), 4);  // one in each
  EXPECT_DOUBLE_EQ(MedianOfMeans({7, 1, 4}, 1), 4);
}

}  // namespace
}  // namespace quire
