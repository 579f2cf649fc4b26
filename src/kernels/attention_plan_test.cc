#include "kernels/attention_plan.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "base/token_id.h"

namespace quire {
namespace {

// `count` tables of `blocks` blocks, of which the first `shared` are the same.
std::vector<std::vector<uint32_t>> Tables(uint32_t count, uint32_t blocks, uint32_t shared) {
  std::vector<std::vector<uint32_t>> tables(count, std::vector<uint32_t>(blocks));
  for (uint32_t i = 0; i < count; ++i) {
    std::iota(tables[i].begin(), tables[i].begin() + shared, 0u);
    std::iota(tables[i].begin() + shared, tables[i].end(), 1000 + i * blocks);
  }
  return tables;
}

std::vector<AttentionRows> LastRows(const std::vector<std::vector<uint32_t>>& tables) {
  std::vector<AttentionRows> rows;
  for (const auto& table : tables) {
    const auto tokens = static_cast<uint32_t>(table.size()) * kBlockTokens;
    rows.push_back({static_cast<uint32_t>(rows.size()), 1, tokens - 1, table});
  }
  return rows;
}

TEST(AttentionPlan, LoadsASharedPrefixOnce) {
  const auto tables = Tables(8, 130, 125);  // 2000 tokens are 7 tiles and a part of one
  const auto rows = LastRows(tables);
  AttentionPlan plan(8, 7);
  plan.Fill(rows, 0);
  ASSERT_EQ(plan.units().size(), 1u);
  const AttentionUnit& unit = plan.units()[0];
  EXPECT_EQ(unit.num_queries, 56u);
  EXPECT_EQ(plan.MembersOf(unit).size(), 8u);
  for (const AttentionMember& member : plan.MembersOf(unit).first(7)) {
    EXPECT_EQ(member.shared.begin, 0u);
    EXPECT_EQ(member.shared.end, 7u);
  }
  const uint64_t together = plan.cost();
  const auto strangers = Tables(8, 130, 0);
  const auto strange_rows = LastRows(strangers);
  plan.Fill(strange_rows, 0);
  EXPECT_EQ(plan.units().size(), 8u);
  EXPECT_EQ(plan.cost() - together, 7u * 7 * 16 * 2) << "seven loads of seven tiles are saved";
}

TEST(AttentionPlan, FindsSharersWhereverTheyStandInTheBatch) {
  auto tables = Tables(2, 64, 48);
  const auto others = Tables(1, 64, 0);
  tables.insert(tables.begin() + 1, std::vector<uint32_t>(others[0].rbegin(), others[0].rend()));
  const auto rows = LastRows(tables);
  AttentionPlan plan(3, 3);
  plan.Fill(rows, 0);
  ASSERT_EQ(plan.units().size(), 2u);
  EXPECT_EQ(plan.units()[0].num_members + plan.units()[1].num_members, 3u);
}

TEST(AttentionPlan, TouchesOnlyTheTilesOfAWindow) {
  const auto tables = Tables(2, 130, 130);
  const auto rows = LastRows(tables);
  AttentionPlan plan(2, 4);
  plan.Fill(rows, 512);  // positions 1568 .. 2079
  ASSERT_EQ(plan.units().size(), 1u);
  EXPECT_EQ(plan.units()[0].tiles.begin, 6u);
  EXPECT_EQ(plan.units()[0].tiles.end, 9u);
  EXPECT_EQ(plan.MembersOf(plan.units()[0])[0].shared.begin, 7u) << "tile 6 is attended in part";
  EXPECT_EQ(plan.MembersOf(plan.units()[0])[0].shared.end, 8u) << "as is tile 8";
}

TEST(AttentionPlan, CutsLongChunksIntoEvenUnits) {
  const auto tables = Tables(1, 64, 64);
  const AttentionRows rows = {0, 512, 512, tables[0]};
  AttentionPlan plan(512, 3);
  plan.Fill({&rows, 1}, 0);
  uint32_t queries = 0;
  for (const AttentionUnit& unit : plan.units()) {
    EXPECT_LE(unit.num_queries, kMaxUnitQueries);
    EXPECT_GE(unit.num_queries, kMaxUnitQueries - 3);
    EXPECT_EQ(unit.start + unit.cost <= plan.cost(), true);
    queries += unit.num_queries;
  }
  EXPECT_EQ(queries, 512u * 3);
}

}  // namespace
}  // namespace quire
