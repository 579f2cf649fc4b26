// Rates and means from counters, and the words for them.
#include "apps/top/view/rates.h"

#include <gtest/gtest.h>

#include "apps/top/view/amounts.h"

namespace quire {
namespace {

LiveState At(double seconds, double found, double computed, double steps) {
  LiveState live;
  live.time_seconds = seconds;
  live.server.emplace();
  live.server->tokens = {.ram = found, .computed = computed, .generated = 2 * seconds};
  live.server->step_seconds = {.count = steps, .sum = steps / 100};
  return live;
}

TEST(Rates, AreOfWhatHappenedBetween) {
  const Rates rates = RatesBetween(At(10, 100, 100, 50), At(14, 400, 200, 150));
  EXPECT_DOUBLE_EQ(*rates.found_share, 0.75);
  EXPECT_DOUBLE_EQ(*rates.prompt_per_second, 100);
  EXPECT_DOUBLE_EQ(*rates.generated_per_second, 2);
  EXPECT_DOUBLE_EQ(*rates.step_seconds, 0.01);
  EXPECT_FALSE(rates.first_token_seconds);
  EXPECT_DOUBLE_EQ(*RatesSinceStart(At(14, 400, 200, 150)).found_share, 2.0 / 3);
}

TEST(Rates, OfAServerThatBeganAnewAreUnknown) {
  const Rates rates = RatesBetween(At(10, 100, 100, 50), At(14, 4, 2, 1));
  EXPECT_FALSE(rates.found_share || rates.prompt_per_second || rates.generated_per_second);
  EXPECT_FALSE(RatesBetween(At(10, 1, 1, 1), At(10, 1, 1, 1)).prompt_per_second);
  EXPECT_FALSE(RatesBetween(LiveState(), At(14, 4, 2, 1)).found_share);
}

TEST(Amounts, AreShort) {
  EXPECT_EQ(SecondsText(0.04), "0.0s");
  EXPECT_EQ(SecondsText(59.99), "59.9s");
  EXPECT_EQ(SecondsText(185), "3m05s");
  EXPECT_EQ(SecondsText(7800), "2h10m");
  EXPECT_EQ(SecondsText(273600), "3d4h");
  EXPECT_EQ(SecondsText(-5), "0.0s");
  EXPECT_EQ(TimeText(0.0123), "12.3 ms");
  EXPECT_EQ(TimeText(1.2), "1.20 s");
  EXPECT_EQ(TimeText(std::nullopt), "-");
  EXPECT_EQ(ShareText(0.999), "99 %");  // never more than it was
  EXPECT_EQ(CountText(15321), "15.3k");
  EXPECT_EQ(CountText(812), "812");
  EXPECT_EQ(CountText(2.1e6), "2.1M");
  EXPECT_EQ(BytesText(0), "0");
}

}  // namespace
}  // namespace quire
