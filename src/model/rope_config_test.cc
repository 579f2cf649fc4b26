#include "model/rope_config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace quire {
namespace {

// How many neighbouring doubles lie between the two.
double UlpsApart(double value, double expected) {
  const double step = std::nextafter(std::fabs(expected), 1e300) - std::fabs(expected);
  return std::fabs(value - expected) / step;
}

TEST(RopeConfigTest, LogAndExpAreAccurate) {
  for (double x = 1e-9; x < 1e13; x *= 1.37) {
    EXPECT_LE(UlpsApart(ExactLog(x), std::log(x)), 4) << x;
  }
  for (double x = -80; x < 80; x += 0.173) {
    EXPECT_LE(UlpsApart(ExactExp(x), std::exp(x)), 4) << x;
  }
  EXPECT_EQ(ExactExp(0), 1);
  EXPECT_EQ(ExactLog(1), 0);
}

TEST(RopeConfigTest, FrequenciesFallGeometrically) {
  const std::vector<double> frequencies = InverseFrequencies(1e6, 128);
  ASSERT_EQ(frequencies.size(), 64u);
  EXPECT_EQ(frequencies[0], 1);
  for (size_t i = 1; i < frequencies.size(); ++i) {
    const double expected = std::pow(1e6, -2.0 * static_cast<double>(i) / 128);
    EXPECT_NEAR(frequencies[i] / expected, 1, 1e-14) << i;
  }
}

}  // namespace
}  // namespace quire
