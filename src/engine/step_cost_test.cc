#include "engine/step_cost.h"

#include <gtest/gtest.h>

#include <random>

namespace quire {
namespace {

// A machine that needs 6 ms for the weights, 0.7 ms for a row and 50 ns for a position.
double TimeOf(const StepShape& shape) {
  return 6e-3 + 0.7e-3 * shape.rows + 50e-9 * static_cast<double>(shape.positions);
}

StepShape Prefill(uint32_t rows, uint32_t first) {
  return {rows, uint64_t{rows} * (first + rows / 2)};
}

TEST(StepCost, KnowsNothingAtFirst) {
  const StepCost cost;
  EXPECT_FALSE(cost.measured());
  EXPECT_EQ(cost.Seconds({512, 512 * 256}), 0);
}

TEST(StepCost, OneShapeForetellsItself) {
  StepCost cost;
  for (int i = 0; i < 5; ++i) cost.Note({1, 100}, 0.007);
  EXPECT_TRUE(cost.measured());
  EXPECT_NEAR(cost.Seconds({1, 100}), 0.007, 1e-5);
  EXPECT_GE(cost.Seconds({64, 6400}), 0.1) << "careful where nothing tells rows from the rest";
}

TEST(StepCost, LearnsWhatAStepARowAndAPositionCost) {
  StepCost cost;
  std::mt19937 random(1);
  std::uniform_real_distribution<double> noise(0.95, 1.05);
  for (int i = 0; i < 50; ++i) {
    for (const StepShape& shape : {StepShape{1, 200}, StepShape{8, 20000}, Prefill(16, 0),
                                   Prefill(130, 1000), Prefill(100, 16000)}) {
      cost.Note(shape, TimeOf(shape) * noise(random));
    }
  }
  for (const StepShape& shape :
       {StepShape{1, 10}, StepShape{32, 64000}, Prefill(40, 30000), Prefill(512, 0)}) {
    EXPECT_NEAR(cost.Seconds(shape) / TimeOf(shape), 1, 0.1) << shape.rows;
  }
}

TEST(StepCost, AnHourOfSmallStepsDoesNotMakeItForgetTheLarge) {
  StepCost cost;
  for (int i = 0; i < 20; ++i) cost.Note(Prefill(128, 8000), TimeOf(Prefill(128, 8000)));
  for (int i = 0; i < 20; ++i) cost.Note(Prefill(128, 0), TimeOf(Prefill(128, 0)));
  for (int i = 0; i < 100000; ++i) cost.Note({1, 100}, TimeOf({1, 100}));
  EXPECT_NEAR(cost.Seconds(Prefill(128, 8000)) / TimeOf(Prefill(128, 8000)), 1, 0.05);
}

TEST(StepCost, FollowsAMachineThatOthersSlowDown) {
  StepCost cost;
  const auto shapes = {StepShape{1, 200}, Prefill(130, 1000), Prefill(60, 9000)};
  for (int i = 0; i < 20; ++i) {
    for (const StepShape& shape : shapes) cost.Note(shape, TimeOf(shape));
  }
  for (int i = 0; i < 20; ++i) cost.Note(Prefill(130, 1000), 3 * TimeOf(Prefill(130, 1000)));
  EXPECT_NEAR(cost.Seconds(Prefill(130, 1000)) / TimeOf(Prefill(130, 1000)), 3, 0.4);
  EXPECT_GT(cost.Seconds(Prefill(60, 9000)) / TimeOf(Prefill(60, 9000)), 1.8) << "others too";
  for (int i = 0; i < 40; ++i) cost.Note(Prefill(130, 1000), TimeOf(Prefill(130, 1000)));
  EXPECT_NEAR(cost.Seconds(Prefill(130, 1000)) / TimeOf(Prefill(130, 1000)), 1, 0.15);
}

TEST(StepCost, OneInterruptionSaysLittle) {
  StepCost cost;
  for (int i = 0; i < 20; ++i) {
    for (const StepShape& shape : {StepShape{1, 200}, Prefill(130, 1000)}) {
      cost.Note(shape, TimeOf(shape));
    }
  }
  cost.Note(Prefill(130, 1000), 10 * TimeOf(Prefill(130, 1000)));
  EXPECT_LT(cost.Seconds({1, 200}) / TimeOf({1, 200}), 1.5);
}

}  // namespace
}  // namespace quire
