#include "model/weighed_row.h"

#include <gtest/gtest.h>

#include <random>

namespace quire {
namespace {

constexpr float kShares[] = {0.01f, 0.5f, 0.9f, 0.95f, 0.999f, 0.999999f};

std::vector<float> Logits(size_t size, uint32_t seed, float spread) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(size);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

struct Rows {
  explicit Rows(std::span<const float> logits) {
    const float max = logits[static_cast<size_t>(ArgMax(logits))];
    const Weighing weighing = {.max = max, .temperature = 0.8f, .floor = max - 32};
    row.Weigh(logits, weighing);
    SelectAbove(logits, weighing, chain);
  }
  WeighedRow row;
  std::vector<Candidate> chain;
};

TEST(WeighedRow, DrawsWhatTheChainDraws) {
  std::mt19937_64 random(1);
  for (const size_t size : {1, 63, 64, 65, 5000}) {
    for (const float spread : {0.0f, 1.0f, 10.0f}) {
      const std::vector<float> logits = Logits(size, 5, spread);
      const Rows rows(logits);
      uint32_t undecided = 0;
      for (int i = 0; i < 300; ++i) {
        const double unit = static_cast<double>(random() >> 11) * 0x1p-53;
        const auto drawn = rows.row.Draw(unit);
        undecided += !drawn;
        if (!drawn) continue;
        EXPECT_EQ(*drawn, Draw(rows.chain, unit));
      }
      EXPECT_LE(undecided, 1u) << size << " " << spread;
    }
  }
}

// Targets on the very edge between two tokens, and at both ends.
TEST(WeighedRow, LeavesToTheChainWhatRoundingMightDecide) {
  const std::vector<float> logits(1024, 2.0f);  // each weighs 1: edges are multiples of 1/1024
  const Rows rows(logits);
  for (uint32_t i = 0; i < 1024; ++i) EXPECT_EQ(rows.row.Draw(i / 1024.0), std::nullopt) << i;
  EXPECT_EQ(rows.row.Draw(1 - 0x1p-53), std::nullopt);
  EXPECT_EQ(rows.row.Draw(0.5 / 1024), TokenId{0});
  EXPECT_EQ(rows.row.Draw(1023.5 / 1024), TokenId{1023});
}

TEST(WeighedRow, KeepsTheNucleusOfTheChain) {
  for (const size_t size : {1, 64, 200, 5000}) {
    for (const float spread : {0.1f, 1.0f, 10.0f}) {
      const std::vector<float> logits = Logits(size, 7, spread);
      const Rows rows(logits);
      for (const float share : kShares) {
        std::vector<Candidate> expected = rows.chain;
        KeepNucleus(share, TotalWeight(expected), expected);
        std::vector<Candidate> kept;
        ASSERT_TRUE(rows.row.KeepNucleus(share, kept)) << size << " " << spread << " " << share;
        ASSERT_EQ(kept.size(), expected.size()) << size << " " << spread << " " << share;
        for (size_t i = 0; i < kept.size(); ++i) {
          EXPECT_EQ(kept[i].token, expected[i].token);
          EXPECT_EQ(kept[i].weight, expected[i].weight);
        }
      }
    }
  }
}

TEST(WeighedRow, ANucleusThatEndsOnItsShareIsLeftToTheChain) {
  const Rows rows(std::vector<float>(1024, 2.0f));
  std::vector<Candidate> kept;
  EXPECT_FALSE(rows.row.KeepNucleus(0.5f, kept));
  EXPECT_TRUE(rows.row.KeepNucleus(0.5f + 0x1p-12f, kept));
  EXPECT_EQ(kept.size(), 513u);
}

}  // namespace
}  // namespace quire
