// The lanes of every instruction set against the C++ library, on numbers chosen to be awkward.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "kernels/dispatch.h"
#include "kernels/lanes_test_table.h"
#include "kernels/quant_block.h"

namespace quire {
namespace {

using Floats = std::array<float, 16>;

uint32_t Bits(float x) { return std::bit_cast<uint32_t>(x); }

class LanesTest : public testing::Test {
 protected:
  void TearDown() override { SelectIsa(AvailableIsas().back()); }

  // Runs `body(table)` on every set.
  template <typename Body>
  void OnEverySet(const Body& body) {
    for (const Isa isa : AvailableIsas()) {
      SelectIsa(isa);
      SCOPED_TRACE(std::string(IsaName(isa)));
      body(QUIRE_ISA_PICK(kLanesTestTable));
      if (HasFatalFailure()) return;
    }
  }
};

// Any float, with exponents near enough for sums to matter, and few mantissa bits now and then so
// that ties occur.
float AwkwardFloat(std::mt19937& random, int exponent_spread) {
  uint32_t mantissa = random() & 0x7fffff;
  if (random() % 2 != 0) mantissa &= 0x7fffffu << (random() % 23);
  const auto exponent = static_cast<uint32_t>(
      127 + static_cast<int>(random() % 3) * exponent_spread / 2 - exponent_spread / 2);
  return std::bit_cast<float>(static_cast<uint32_t>(random()) << 31 | exponent << 23 | mantissa);
}

void CheckFma(const LanesTestTable& table, const Floats& a, const Floats& b, const Floats& c) {
  Floats got;
  table.fma(a.data(), b.data(), c.data(), got.data());
  for (size_t i = 0; i < got.size(); ++i) {
    const float want = std::fma(a[i], b[i], c[i]);
    if (std::isnan(want)) {
      ASSERT_TRUE(std::isnan(got[i]));
    } else {
      ASSERT_EQ(Bits(got[i]), Bits(want)) << a[i] << " * " << b[i] << " + " << c[i];
    }
  }
}

TEST_F(LanesTest, FmaRoundsOnce) {
  OnEverySet([](const LanesTestTable& table) {
    std::mt19937 random(5);
    for (int round = 0; round < 20000; ++round) {
      Floats a;
      Floats b;
      Floats c;
      for (size_t i = 0; i < a.size(); ++i) {
        a[i] = AwkwardFloat(random, 2 << (round % 6));
        b[i] = AwkwardFloat(random, 2 << (round % 5));
        c[i] = AwkwardFloat(random, 2 << (round % 7));
      }
      CheckFma(table, a, b, c);
      if (testing::Test::HasFatalFailure()) return;
    }
  });
}

// 1 + 2^-24 is halfway between floats: a last bit far below decides, and double loses it.
TEST_F(LanesTest, FmaHalfwayCases) {
  OnEverySet([](const LanesTestTable& table) {
    for (const float tiny : {0x1p-40f, -0x1p-40f, 0x1p-80f, -0x1p-80f, 0x1p-126f, 0.0f}) {
      Floats a;
      Floats b;
      Floats c;
      for (size_t i = 0; i < a.size(); ++i) {
        const float sign = i % 2 != 0 ? -1.0f : 1.0f;
        // (2^12 + 1) * (2^12 + 1) = 2^24 + 2^13 + 1 needs 25 bits: halfway.
        a[i] = sign * (4097.0f + static_cast<float>(i / 2) * 2);
        b[i] = 4097.0f + static_cast<float>(i / 4) * 2;
        c[i] = tiny;
      }
      CheckFma(table, a, b, c);
      if (testing::Test::HasFatalFailure()) return;
    }
  });
}

TEST_F(LanesTest, FmaSpecialCases) {
  const float inf = std::numeric_limits<float>::infinity();
  const Floats values = {0.0f,      -0.0f,      1.0f,     -1.0f,      0x1p-149f, -0x1p-149f,
                         0x1p-126f, -0x1p-126f, 0x1p-75f, inf,        -inf,      3.4e38f,
                         -3.4e38f,  0x1.8p-75f, 0x1p-74f, 0x1.fp-100f};
  OnEverySet([&](const LanesTestTable& table) {
    for (const float a : values) {
      for (const float b : values) {
        Floats as;
        Floats bs;
        as.fill(a);
        bs.fill(b);
        CheckFma(table, as, bs, values);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  });
}

TEST_F(LanesTest, RoundsHalfToEven) {
  OnEverySet([](const LanesTestTable& table) {
    const Floats x = {0.5f, 1.5f,   2.5f,        -0.5f,      -1.5f, -2.5f,      0.49999997f, -0.0f,
                      0.0f, 126.5f, -127.49999f, 8388607.5f, 3e9f,  -8388608.f, 1e20f,       -0.3f};
    Floats got;
    table.round(x.data(), got.data());
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(Bits(got[i]), Bits(std::nearbyintf(x[i]))) << x[i];
    }
    Floats small = x;
    for (float& value : small) value = std::fabs(value) < 1e9f ? value : 7.0f;
    std::array<int32_t, 16> ints;
    table.to_int(small.data(), ints.data());
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(ints[i], static_cast<int32_t>(std::nearbyintf(small[i]))) << small[i];
    }
  });
}

TEST_F(LanesTest, EveryHalfSurvivesBothWays) {
  OnEverySet([](const LanesTestTable& table) {
    for (uint32_t first = 0; first < 0x10000; first += 16) {
      std::array<uint16_t, 16> halves;
      for (uint32_t i = 0; i < 16; ++i) halves[i] = static_cast<uint16_t>(first + i);
      Floats wide;
      table.from_half(halves.data(), wide.data());
      std::array<uint16_t, 16> back;
      table.to_half(wide.data(), back.data());
      for (size_t i = 0; i < 16; ++i) {
        if (std::isnan(wide[i])) {
          ASSERT_EQ(back[i], halves[i] | 0x200) << "a quiet NaN with the same payload";
          continue;
        }
        ASSERT_EQ(Bits(wide[i]), Bits(HalfToFloat(halves[i])));
        ASSERT_EQ(back[i], halves[i]);
      }
    }
  });
}

TEST_F(LanesTest, HalvesRoundToNearestEven) {
  OnEverySet([](const LanesTestTable& table) {
    // Between each two neighbouring halves: the middle, and a float to either side of it.
    for (uint32_t h = 0; h < 0x7bff; h += 5) {
      const float low = HalfToFloat(static_cast<uint16_t>(h));
      const float high = HalfToFloat(static_cast<uint16_t>(h + 1));
      const float middle = low + (high - low) / 2;
      Floats x;
      x.fill(middle);
      x[1] = std::nextafter(middle, 0.0f);
      x[2] = std::nextafter(middle, 1e9f);
      x[3] = -middle;
      std::array<uint16_t, 16> got;
      table.to_half(x.data(), got.data());
      const auto even = static_cast<uint16_t>(h + (h & 1));
      ASSERT_EQ(got[0], even) << h;
      ASSERT_EQ(got[1], h);
      ASSERT_EQ(got[2], h + 1);
      ASSERT_EQ(got[3], even | 0x8000);
    }
    Floats large;
    large.fill(65519.996f);
    large[1] = 65520.0f;
    large[2] = -1e30f;
    std::array<uint16_t, 16> got;
    table.to_half(large.data(), got.data());
    EXPECT_EQ(got[0], 0x7bff);
    EXPECT_EQ(got[1], 0x7c00);
    EXPECT_EQ(got[2], 0xfc00);
  });
}

TEST_F(LanesTest, SumsByTheSameTree) {
  OnEverySet([](const LanesTestTable& table) {
    std::mt19937 random(9);
    for (int round = 0; round < 200; ++round) {
      Floats x;
      for (float& value : x) value = AwkwardFloat(random, 20);
      Floats sums = x;
      for (size_t half = 8; half > 0; half /= 2) {
        for (size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
      }
      ASSERT_EQ(Bits(table.reduce_add(x.data())), Bits(sums[0]));
    }
  });
}

TEST_F(LanesTest, DotsAreExactAtTheExtremes) {
  OnEverySet([](const LanesTestTable& table) {
    for (const int u : {0, 1, 127, 128, 255}) {
      for (const int s : {-128, -127, -1, 0, 1, 127}) {
        std::array<uint8_t, 64> us;
        std::array<int8_t, 64> ss;
        us.fill(static_cast<uint8_t>(u));
        ss.fill(static_cast<int8_t>(s));
        us[5] = 255;
        ss[6] = -128;
        std::array<int32_t, 16> acc;
        acc.fill(-1000);
        std::array<int32_t, 16> got;
        table.dot(acc.data(), us.data(), ss.data(), got.data());
        EXPECT_EQ(got[0], -1000 + 4 * u * s);
        EXPECT_EQ(got[1], -1000 + 2 * u * s + 255 * s + u * -128);
      }
    }
  });
}

TEST_F(LanesTest, WideDotsAreExactAtTheExtremes) {
  OnEverySet([](const LanesTestTable& table) {
    for (const int byte : {-128, -127, -1, 0, 1, 127}) {
      for (const int wide : {-32768, -32767, -1, 0, 255, 32767}) {
        std::array<int8_t, 64> bytes;
        bytes.fill(static_cast<int8_t>(byte));
        bytes[4] = 3;
        bytes[7] = -5;
        std::array<int16_t, 32> even;
        std::array<int16_t, 32> odd;
        even.fill(static_cast<int16_t>(wide));
        odd.fill(static_cast<int16_t>(wide));
        even[2] = 7;  // with byte 4
        odd[3] = 11;  // with byte 7
        std::array<int32_t, 16> got;
        table.wide_dot(bytes.data(), even.data(), odd.data(), got.data());
        EXPECT_EQ(got[0], 4 * byte * wide);
        EXPECT_EQ(got[1], 3 * 7 - 5 * 11 + 2 * byte * wide);
      }
    }
  });
}

}  // namespace
}  // namespace quire
