#include "model/qkv_axis.h"

#include <gtest/gtest.h>

#include <vector>

namespace quire {
namespace {

struct Heads {
  uint32_t query;
  uint32_t kv;
  uint32_t dim;
  TensorType value_type;
};

class QkvAxisTest : public testing::TestWithParam<Heads> {
 protected:
  QkvAxisTest() {
    config_.query_heads = GetParam().query;
    config_.kv_heads = GetParam().kv;
    config_.head_dim = GetParam().dim;
    config_.width = 512;
    layer_.query.matrix.type = TensorType::kQ4_K;
    layer_.key.matrix.type = TensorType::kQ4_K;
    layer_.value.matrix.type = GetParam().value_type;
  }
  ModelConfig config_;
  LayerWeights layer_;
};

TEST_P(QkvAxisTest, UnitsFollowEachOther) {
  const QkvAxis axis(config_, layer_);
  ASSERT_EQ(axis.Begin(0), 0u);
  for (uint32_t unit = 0; unit < axis.units(); ++unit) {
    const uint32_t heads = unit < config_.query_heads ? 1 : 2;
    ASSERT_EQ(axis.Begin(unit + 1) - axis.Begin(unit), heads * config_.head_dim / kRowGroup);
    for (uint32_t group = axis.Begin(unit); group < axis.Begin(unit + 1); ++group) {
      ASSERT_EQ(axis.UnitAt(group), unit);
    }
  }
}

// What each member does for CompleteUnits: every unit is completed by exactly one of them.
TEST_P(QkvAxisTest, EveryUnitIsCompletedOnce) {
  const QkvAxis axis(config_, layer_);
  for (uint32_t members = 1; members <= 70; ++members) {
    std::vector<uint32_t> pieces(axis.units());
    ASSERT_EQ(axis.Cut(0, members), 0u);
    ASSERT_EQ(axis.Cut(members, members), axis.Begin(axis.units()));
    for (uint32_t member = 0; member < members; ++member) {
      const uint32_t begin = axis.Cut(member, members);
      const uint32_t end = axis.Cut(member + 1, members);
      ASSERT_LE(begin, end);
      if (begin == end) continue;
      for (uint32_t unit = axis.UnitAt(begin); unit <= axis.UnitAt(end - 1); ++unit) {
        ++pieces[unit];
      }
    }
    for (uint32_t unit = 0; unit < axis.units(); ++unit) {
      ASSERT_GT(pieces[unit], 0u);
      ASSERT_EQ(pieces[unit], axis.Pieces(unit, members)) << unit << " of " << members;
    }
  }
}

TEST_P(QkvAxisTest, CutsAreEvenInBytes) {
  const QkvAxis axis(config_, layer_);
  const auto bytes = [&](uint32_t begin, uint32_t end) {
    uint64_t sum = 0;
    for (uint32_t group = begin; group < end; ++group) {
      const uint32_t unit = axis.UnitAt(group);
      const bool value =
          unit >= config_.query_heads && group - axis.Begin(unit) >= config_.head_dim / kRowGroup;
      sum +=
          PackedBytes(value ? GetParam().value_type : TensorType::kQ4_K, kRowGroup, config_.width);
    }
    return sum;
  };
  const uint64_t all = bytes(0, axis.Begin(axis.units()));
  const uint64_t largest = PackedBytes(GetParam().value_type, kRowGroup, config_.width);
  for (const uint32_t members : {2u, 3u, 4u}) {
    for (uint32_t member = 0; member < members; ++member) {
      const uint64_t mine = bytes(axis.Cut(member, members), axis.Cut(member + 1, members));
      EXPECT_LE(mine, all / members + largest);
      EXPECT_GE(mine + largest, all / members);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, QkvAxisTest,
                         testing::Values(Heads{9, 3, 64, TensorType::kQ4_K},
                                         Heads{4, 1, 256, TensorType::kQ6_K},
                                         Heads{14, 2, 64, TensorType::kQ8_0},
                                         Heads{8, 8, 80, TensorType::kF16},
                                         Heads{1, 1, 16, TensorType::kQ6_K}));

}  // namespace
}  // namespace quire
