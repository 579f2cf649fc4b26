#include "cache/eviction/reuse_model.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

TEST(ReuseModel, BinsOfAgeFollowEachOtherWithoutGaps) {
  EXPECT_EQ(ReuseModel::AgeBin(0), 0u);
  for (uint32_t bin = 1; bin < ReuseModel::kAgeBins; ++bin) {
    const TickMs first = ReuseModel::FirstAge(bin);
    EXPECT_EQ(ReuseModel::AgeBin(first), bin);
    EXPECT_EQ(ReuseModel::AgeBin(first - 1), bin - 1);
  }
  EXPECT_EQ(ReuseModel::AgeBin(~TickMs{0}), ReuseModel::kAgeBins - 1);
}

TEST(ReuseModel, KnowsNothingAtFirstAndPrefersTheYoung) {
  const ReuseModel model;
  float last = 1e9f;
  for (const TickMs age : {1000, 10'000, 100'000, 1'000'000, 10'000'000}) {
    EXPECT_LT(model.Value(0, age), last);
    last = model.Value(0, age);
  }
  EXPECT_GT(last, 0.0f);
}

TEST(ReuseModel, ClassesAreApartWhereTheirUseIs) {
  const uint32_t once = ReuseModel::ClassOf({});
  EXPECT_NE(ReuseModel::ClassOf({.hits = 1}), once);
  EXPECT_NE(ReuseModel::ClassOf({.turn = 1}), once);
  EXPECT_NE(ReuseModel::ClassOf({.tail = true}), once);
  EXPECT_EQ(ReuseModel::ClassOf({.hits = 5}), ReuseModel::ClassOf({.hits = 15}));
  EXPECT_LT(ReuseModel::ClassOf({.hits = ~0u, .turn = ~0u, .tail = true}), ReuseModel::kClasses);
}

// Half of all blocks come back after 60 s, the others never do.
TEST(ReuseModel, ReuseThatIsDueSoonIsWorthMoreThanFreshness) {
  ReuseModel model;
  const uint32_t kind = ReuseModel::ClassOf({});
  for (int i = 0; i < 500; ++i) model.CountReuse(kind, 60'000);
  for (int i = 0; i < 500; ++i) model.CountNoReuse(kind, 3'600'000);
  model.Rebuild({});
  EXPECT_GT(model.Value(kind, 50'000), 3 * model.Value(kind, 100));
  EXPECT_GT(model.Value(kind, 100), 3 * model.Value(kind, 100'000));
  // From its start on: half a read for a minute of holding it.
  EXPECT_NEAR(model.Value(kind, 0), 0.5 / 60, 0.002);
}

TEST(ReuseModel, BlocksThatAreStillWatchedCountAsNotReadYet) {
  const uint32_t kind = ReuseModel::ClassOf({.hits = 1});
  const auto value_with = [&](uint32_t survivors) {
    ReuseModel model;
    for (int i = 0; i < 100; ++i) model.CountReuse(kind, 20'000);
    ReuseModel::Survivors watched{};
    watched[kind][ReuseModel::AgeBin(200'000)] = survivors;
    model.Rebuild(watched);
    return model.Value(kind, 0);
  };
  EXPECT_GT(value_with(0), 5 * value_with(1000));
}

TEST(ReuseModel, AClassThatWasNeverSeenLeansOnOthersOfItsTurn) {
  ReuseModel model;
  for (int i = 0; i < 1000; ++i) {
    model.CountReuse(ReuseModel::ClassOf({.hits = 1, .turn = 2}), 5000);
    model.CountNoReuse(ReuseModel::ClassOf({.hits = 1}), 500'000);
  }
  model.Rebuild({});
  EXPECT_GT(model.Value(ReuseModel::ClassOf({.hits = 20, .turn = 2}), 1000),
            5 * model.Value(ReuseModel::ClassOf({.hits = 20}), 1000));
}

TEST(ReuseModel, WhatWasSeenFades) {
  ReuseModel model;
  const uint32_t kind = ReuseModel::ClassOf({});
  for (int i = 0; i < 1000; ++i) model.CountReuse(kind, 5000);
  model.Rebuild({});
  const float before = model.Value(kind, 1000);
  for (int i = 0; i < 3000; ++i) model.Rebuild({});
  EXPECT_LT(model.Value(kind, 1000), before / 2);
}

}  // namespace
}  // namespace quire
