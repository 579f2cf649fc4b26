#include "model/logit_hash.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace quire {
namespace {

TEST(LogitHashTest, IsXxh3OverTheBytesInOrder) {
  // The published digest of nothing.
  EXPECT_EQ(LogitHash().Hex(), "99aa06d3014798d86001c324468d497f");

  const std::vector<float> rows = {1, 2, 3, 4};
  LogitHash whole;
  whole.Add(rows);
  LogitHash parts;
  parts.Add(std::span(rows).first(1));
  EXPECT_NE(parts.Hex(), whole.Hex());
  LogitHash moved = std::move(parts);
  moved.Add(std::span(rows).subspan(1));
  EXPECT_EQ(moved.Hex(), whole.Hex());
  EXPECT_EQ(whole.Hex().size(), 32u);

  LogitHash swapped;
  swapped.Add(std::vector<float>{2, 1, 3, 4});
  EXPECT_NE(swapped.Hex(), whole.Hex());
}

TEST(LogitHashTest, TellsZerosApart) {
  LogitHash plus, minus;
  plus.Add(std::vector<float>{0.0f});
  minus.Add(std::vector<float>{-0.0f});
  EXPECT_NE(plus.Hex(), minus.Hex());
}

}  // namespace
}  // namespace quire
