#include "server/request_number.h"

#include <gtest/gtest.h>

#include <set>

namespace quire {
namespace {

TEST(RequestNumber, IsOneOfItsOwnAndTellsNoOrder) {
  std::set<uint32_t> seen;
  int grows = 0;
  uint32_t last = 0;
  constexpr int kMany = 100'000;
  for (int i = 1; i <= kMany; ++i) {
    const uint32_t number = RequestNumber(RequestId{static_cast<uint64_t>(i)});
    EXPECT_EQ(number, RequestNumber(RequestId{static_cast<uint64_t>(i)}));
    seen.insert(number);
    grows += number > last;
    last = number;
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(kMany));
  EXPECT_NEAR(grows, kMany / 2, kMany / 50);
}

}  // namespace
}  // namespace quire
