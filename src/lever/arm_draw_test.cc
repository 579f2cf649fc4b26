#include "lever/arm_draw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace quire {
namespace {

Lever Of(const std::string& name, double share, LeverUnit by = LeverUnit::kTenant) {
  Lever lever;
  lever.name = name;
  lever.share = share;
  lever.by = by;
  return lever;
}

TEST(ArmDraw, TheShareIsWhatWasAskedFor) {
  const ArmDraw draw("key");
  constexpr int kUnits = 20'000;
  for (const double share : {0.0, 0.01, 0.1, 0.5, 0.9, 1.0}) {
    int treated = 0;
    for (int i = 0; i < kUnits; ++i) {
      treated += draw.ArmOf(Of("lever", share), "t" + std::to_string(i), "") == Arm::kTreatment;
    }
    const double off = std::abs(treated - share * kUnits);
    EXPECT_LE(off, 4 * std::sqrt(kUnits * share * (1 - share))) << share;
  }
}

TEST(ArmDraw, WhoIsInTheTreatmentStaysWhileTheShareGrows) {
  const ArmDraw draw("key");
  for (int i = 0; i < 1000; ++i) {
    const std::string tenant = std::to_string(i);
    bool treated = false;
    for (double share = 0; share <= 1; share += 0.05) {
      const bool now = draw.ArmOf(Of("lever", share), tenant, "") == Arm::kTreatment;
      EXPECT_TRUE(now || !treated) << tenant << " " << share;
      treated = now;
    }
  }
}

// Of those in the treatment of one, half are in that of the other.
TEST(ArmDraw, LeversKeysAndUnitsDrawForThemselves) {
  const ArmDraw draw("key");
  const ArmDraw other_key("other");
  int lever = 0;
  int key = 0;
  int unit = 0;
  constexpr int kUnits = 4000;
  for (int i = 0; i < kUnits; ++i) {
    const std::string name = std::to_string(i);
    const Arm arm = draw.ArmOf(Of("a", 0.5), name, "");
    lever += draw.ArmOf(Of("b", 0.5), name, "") == arm;
    key += other_key.ArmOf(Of("a", 0.5), name, "") == arm;
    unit += draw.ArmOf(Of("a", 0.5, LeverUnit::kRoute), "", name) == arm;
  }
  for (const int same : {lever, key, unit}) EXPECT_NEAR(same, kUnits / 2, 130);  // 4 sigma
}

TEST(ArmDraw, IsThatOfTheUnitAlone) {
  const ArmDraw draw("key");
  for (int i = 0; i < 100; ++i) {
    const std::string name = std::to_string(i);
    EXPECT_EQ(draw.ArmOf(Of("a", 0.5), name, "x"), draw.ArmOf(Of("a", 0.5), name, "y"));
    const Lever by_route = Of("a", 0.5, LeverUnit::kRoute);
    EXPECT_EQ(draw.ArmOf(by_route, "x", name), draw.ArmOf(by_route, "y", name));
  }
}

// An arm outlives the server: another function would tear comparisons that run.
TEST(ArmDraw, IsTheSameForEver) {
  const ArmDraw draw("key");
  EXPECT_EQ(draw.Draw("lever", LeverUnit::kTenant, "acme"), 0.0637826369467227);  // docs/formats.md
}

TEST(ArmDraw, HostileLabelsAreLabels) {
  const ArmDraw draw("key");
  EXPECT_NE(draw.Draw("ab", LeverUnit::kRoute, "c"), draw.Draw("a", LeverUnit::kRoute, "bc"));
  for (const std::string& label : {std::string("a\0b", 3), std::string(1 << 16, 'x'),
                                   std::string("=treatment,"), std::string("\xff\xfe")}) {
    const double drawn = draw.Draw("lever", LeverUnit::kRoute, label);
    EXPECT_TRUE(drawn >= 0 && drawn < 1);
  }
}

}  // namespace
}  // namespace quire
