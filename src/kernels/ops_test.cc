#include "kernels/ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/worker_pool.h"
#include "kernels/dispatch.h"

namespace quire {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// Runs `compute` on every instruction set of this machine and expects the same bytes each time.
template <typename Compute>
auto SameOnAllIsas(Compute&& compute) {
  const Isa before = CurrentIsa();
  SelectIsa(Isa::kPortable);
  const auto expected = compute();
  for (const Isa isa : AvailableIsas()) {
    SelectIsa(isa);
    const auto got = compute();
    EXPECT_EQ(got.size(), expected.size());
    EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(got[0])), 0)
        << IsaName(isa);
  }
  SelectIsa(before);
  return expected;
}

std::vector<float> Random(size_t size, uint32_t seed, float spread = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(size);
  for (float& v : values) v = normal(generator);
  return values;
}

double UlpsOff(float got, double exact) {
  const auto rounded = static_cast<float>(exact);
  const double ulp = std::abs(double{std::nextafter(rounded, kInf)} - double{rounded});
  return std::abs(double{got} - exact) / ulp;
}

TEST(Exp, IsWithinElevenTenthsOfAnUlp) {
  const std::vector<float> got = SameOnAllIsas([] {
    std::vector<float> results;
    for (float x = -87.33f; x < 88.72f; x += 0.00173f) results.push_back(Exp(x));
    return results;
  });
  double worst = 0;
  size_t i = 0;
  for (float x = -87.33f; x < 88.72f; x += 0.00173f) {
    worst = std::max(worst, UlpsOff(got[i++], std::exp(double{x})));
  }
  EXPECT_LT(worst, 1.1);
}

TEST(Exp, KeepsTheEdges) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Isa isa : AvailableIsas()) {
    SelectIsa(isa);
    EXPECT_EQ(Exp(0.0f), 1.0f);
    EXPECT_EQ(Exp(-0.0f), 1.0f);
    EXPECT_EQ(Exp(1e-30f), 1.0f);
    EXPECT_EQ(Exp(-kInf), 0.0f);
    EXPECT_EQ(Exp(-1e30f), 0.0f);
    EXPECT_EQ(Exp(-87.4f), 0.0f);  // would be subnormal
    EXPECT_GE(Exp(-87.3365f), std::numeric_limits<float>::min());
    EXPECT_EQ(Exp(kInf), kInf);
    EXPECT_EQ(Exp(89.0f), kInf);
    EXPECT_LT(Exp(88.7228f), kInf);
    EXPECT_TRUE(std::isnan(Exp(nan)));
  }
}

// Workers flush subnormals, other threads may not: the results must not tell.
TEST(Exp, DoesNotDependOnTheFlushMode) {
  const auto sweep = [] {
    std::vector<float> results;
    for (float x = -90.0f; x < -85.0f; x += 0.0007f) results.push_back(Exp(x));
    return results;
  };
  const std::vector<float> outside = SameOnAllIsas(sweep);
  WorkerPool pool(1);
  std::vector<float> inside;
  pool.Run([&](const Worker&) { inside = sweep(); });
  EXPECT_EQ(inside, outside);
}

TEST(WeighRow, IsExpOfEachAndZeroBelowTheFloor) {
  std::vector<float> x = Random(1000, 3, 12.0f);
  x[7] = std::numeric_limits<float>::quiet_NaN();
  x[8] = -kInf;
  const float max = *std::max_element(x.begin() + 9, x.end());
  x[500] = max;
  const RowWeighing weighing = {.max = max, .temperature = 0.7f, .floor = max - 40};
  for (const size_t size : {size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{500}, x.size()}) {
    const std::vector<float> weights = SameOnAllIsas([&] {
      std::vector<float> out(size + 1, -1.0f);
      WeighRow(std::span(x).first(size), weighing, out.data());
      return out;
    });
    EXPECT_EQ(weights[size], -1.0f);  // nothing beyond the row
    for (size_t i = 0; i < size; ++i) {
      const float expected = x[i] >= weighing.floor ? Exp((x[i] - max) / 0.7f) : 0.0f;
      EXPECT_EQ(weights[i], expected) << i;
    }
  }
}

TEST(Log, IsWithinOneUlpEverywhere) {
  double worst = 0;
  for (uint32_t bits = 0x00800000; bits < 0x7f800000; bits += 4099) {
    const auto x = std::bit_cast<float>(bits);
    worst = std::max(worst, UlpsOff(Log(x), std::log(double{x})));
  }
  EXPECT_LT(worst, 1.0);
  for (float x = 0.99f; x < 1.01f; x = std::nextafter(x, 2.0f)) {
    if (x == 1.0f) continue;
    EXPECT_LT(UlpsOff(Log(x), std::log(double{x})), 1.0) << x;
  }
}

TEST(Log, KeepsTheEdges) {
  EXPECT_EQ(Log(1.0f), 0.0f);
  EXPECT_EQ(Log(0.0f), -kInf);
  EXPECT_EQ(Log(-0.0f), -kInf);
  EXPECT_EQ(Log(kInf), kInf);
  EXPECT_TRUE(std::isnan(Log(-1.0f)));
  EXPECT_TRUE(std::isnan(Log(std::numeric_limits<float>::quiet_NaN())));
}

TEST(RopeTable, AgreesWithLongDoubleUpToAMillion) {
  std::vector<double> frequencies;
  for (int i = 0; i < 64; ++i) frequencies.push_back(std::pow(10000.0, -i / 64.0));
  std::vector<float> table(128);
  double worst = 0;
  std::mt19937 generator(5);
  for (int round = 0; round < 2000; ++round) {
    const uint32_t position = round < 300 ? round : generator() % 1'050'000;
    FillRopeTable(position, frequencies, 1.0f, table.data());
    for (size_t i = 0; i < frequencies.size(); ++i) {
      const long double angle = static_cast<long double>(position) * frequencies[i];
      worst = std::max(worst, static_cast<double>(std::abs(table[i] - std::cos(angle))));
      worst = std::max(worst, static_cast<double>(std::abs(table[64 + i] - std::sin(angle))));
    }
  }
  EXPECT_LT(worst, 3.1e-8);  // half a unit in the last place of values near 1, and no more
}

TEST(RopeTable, MultipliesByTheMagnitude) {
  const std::vector<double> frequencies = {1.0, 0.5};
  std::vector<float> plain(4), scaled(4);
  FillRopeTable(11, frequencies, 1.0f, plain.data());
  FillRopeTable(11, frequencies, 1.25f, scaled.data());
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(scaled[i], 1.25f * plain[i], 2e-7);
}

TEST(Rope, RotatesPairsAndLeavesTheRestAlone) {
  for (const uint32_t dims : {64u, 80u, 48u, 20u}) {
    const uint32_t head_dim = std::max(dims, 64u);
    std::vector<double> frequencies;
    for (uint32_t i = 0; i < dims / 2; ++i) frequencies.push_back(1.0 / (1 + i));
    std::vector<float> cos_sin(dims);
    FillRopeTable(777, frequencies, 1.0f, cos_sin.data());
    const std::vector<float> x = Random(3 * head_dim, dims);
    for (const RopeKind kind : {RopeKind::kAdjacent, RopeKind::kHalves}) {
      const std::vector<float> got = SameOnAllIsas([&] {
        std::vector<float> y = x;
        ApplyRope(kind, {cos_sin.data(), dims}, 3, head_dim, y.data());
        return y;
      });
      std::vector<float> expected = x;
      for (uint32_t head = 0; head < 3; ++head) {
        for (uint32_t i = 0; i < dims / 2; ++i) {
          const uint32_t a = head * head_dim + (kind == RopeKind::kAdjacent ? 2 * i : i);
          const uint32_t b = kind == RopeKind::kAdjacent ? a + 1 : a + dims / 2;
          expected[a] = x[a] * cos_sin[i] - x[b] * cos_sin[dims / 2 + i];
          expected[b] = x[a] * cos_sin[dims / 2 + i] + x[b] * cos_sin[i];
        }
      }
      EXPECT_EQ(got, expected);
    }
  }
}

TEST(RmsNorm, IsTheDefinedSequenceOfFloatOperations) {
  for (uint32_t size = 16; size <= 2048; size += size < 256 ? 16 : 112) {
    const std::vector<float> x = Random(size, size, 3.0f);
    const std::vector<float> weight = Random(size, size + 1);
    const std::vector<float> got = SameOnAllIsas([&] {
      std::vector<float> y = x;
      RmsNorm(y.data(), weight.data(), 1e-5f, size, y.data());
      return y;
    });
    float lanes[16] = {};
    for (uint32_t i = 0; i < size; ++i) lanes[i % 16] = std::fma(x[i], x[i], lanes[i % 16]);
    for (uint32_t half = 8; half > 0; half /= 2) {
      for (uint32_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
    const float factor = 1.0f / std::sqrt(lanes[0] / static_cast<float>(size) + 1e-5f);
    for (uint32_t i = 0; i < size; ++i) ASSERT_EQ(got[i], x[i] * factor * weight[i]) << size;
  }
}

TEST(GatedActivation, IsAccurateAndSameOnAllIsas) {
  for (uint32_t size = 16; size <= 512; size += 16) {
    std::vector<float> gate = Random(size, size, 4.0f);
    gate[0] = -120.0f;  // far tails
    gate[1] = 120.0f;
    gate[2] = 1e-20f;
    const std::vector<float> up = Random(size, size + 1);
    for (const GateKind kind : {GateKind::kSilu, GateKind::kGeluTanh}) {
      const std::vector<float> got = SameOnAllIsas([&] {
        std::vector<float> y(size);
        GatedActivation(kind, gate.data(), up.data(), size, y.data());
        return y;
      });
      for (uint32_t i = 0; i < size; ++i) {
        const double v = gate[i];
        const double u = std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v);
        const double act =
            kind == GateKind::kSilu ? v / (1 + std::exp(-v)) : v / (1 + std::exp(-2 * u));
        const double exact = act * up[i];
        // The exponent's own rounding is worth |u| ulps.
        ASSERT_NEAR(got[i], exact, std::abs(exact) * 4e-7 * (1 + std::abs(u)) + 1e-30) << v;
      }
    }
  }
}

TEST(ScaleAndAdd, AreElementWise) {
  for (uint32_t size = 16; size <= 256; size += 16) {
    const std::vector<float> x = Random(size, 1), y = Random(size, 2);
    const std::vector<float> got = SameOnAllIsas([&] {
      std::vector<float> z = y;
      Scale(z.data(), 0.3f, size);
      Add(x.data(), size, z.data());
      return z;
    });
    for (uint32_t i = 0; i < size; ++i) EXPECT_EQ(got[i], y[i] * 0.3f + x[i]);
  }
}

TEST(SoftmaxOf, TakesRowsOfAnySize) {
  for (size_t size = 1; size < 100'000; size += size < 70 ? 1 : size / 3) {
    const std::vector<float> x = Random(size, static_cast<uint32_t>(size), 5.0f);
    const std::vector<float> got = SameOnAllIsas([&] {
      const SoftmaxStats stats = SoftmaxOf(x);
      return std::vector<float>{stats.max, stats.sum};
    });
    const float max = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (const float v : x) sum += std::exp(double{v} - max);
    EXPECT_EQ(got[0], max);
    EXPECT_NEAR(got[1], sum, sum * 1e-6) << size;
  }
}

TEST(SoftmaxOf, SurvivesRuledOutChoices) {
  std::vector<float> x(37, -kInf);
  EXPECT_EQ(SoftmaxOf(x).max, -kInf);
  EXPECT_EQ(SoftmaxOf(x).sum, 0.0f);
  x[33] = 2.0f;
  EXPECT_EQ(SoftmaxOf(x).max, 2.0f);
  EXPECT_EQ(SoftmaxOf(x).sum, 1.0f);
}

uint64_t HashOf(uint64_t hash, std::span<const float> values) {
  for (const float v : values) {
    hash = (hash ^ std::bit_cast<uint32_t>(v)) * 1099511628211u;
  }
  return hash;
}

// Constants, so that another compiler, library or CPU that changes a bit is found where it runs. A
// change made on purpose bumps kNumericsVersion.
TEST(Golden, ElementaryFunctionsKeepTheirBits) {
  constexpr uint32_t kSize = 4096;
  std::vector<float> x(kSize), y(kSize);
  for (uint32_t i = 0; i < kSize; ++i) x[i] = static_cast<float>(i * 2654435761u >> 8) * 0x1p-20f;
  for (float& v : x) v -= 8.0f;
  uint64_t exp_hash = 1, log_hash = 1, rope_hash = 1, act_hash = 1;
  for (uint32_t i = 0; i < kSize; ++i) y[i] = Exp(8 * x[i]);
  exp_hash = HashOf(exp_hash, y);
  for (float& v : y) v = Log(v);
  log_hash = HashOf(log_hash, y);
  std::vector<double> frequencies;
  for (int i = 0; i < 64; ++i) frequencies.push_back(1.0 / (1 + i * i));
  for (uint32_t position = 1; position < 1'000'000; position = position * 3 + 1) {
    FillRopeTable(position, frequencies, 1.0f, y.data());
    rope_hash = HashOf(rope_hash, {y.data(), 128});
  }
  for (const GateKind kind : {GateKind::kSilu, GateKind::kGeluTanh}) {
    GatedActivation(kind, x.data(), x.data(), kSize, y.data());
    act_hash = HashOf(act_hash, y);
  }
  RmsNorm(x.data(), y.data(), 1e-6f, kSize, y.data());
  act_hash = HashOf(act_hash, y);
  EXPECT_EQ(exp_hash, 64538031548074988u);
  EXPECT_EQ(log_hash, 18297851368227662152u);
  EXPECT_EQ(rope_hash, 13661004878036552821u);
  EXPECT_EQ(act_hash, 10217527268697138366u);
}

class StoreKvTest : public ::testing::TestWithParam<KvFormat> {};

TEST_P(StoreKvTest, PutsEveryValueInItsPlaceAndNothingElsewhere) {
  const KvShape shape = {.layers = 2, .kv_heads = 3, .head_dim = 80, .format = GetParam()};
  constexpr uint32_t kBlocks = 4;
  const size_t bytes = kBlocks * shape.block_bytes();
  const uint32_t per_head = shape.head_dim;
  std::vector<float> k = Random(3 * 80, 1), v = Random(3 * 80, 2);
  v[5] = 1e30f;
  v[6] = -1e30f;
  k[7] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::byte> got = SameOnAllIsas([&] {
    std::vector<std::byte> arena(bytes, std::byte{0xEE});
    StoreKv({arena.data(), shape, kBlocks}, 1, 2, 5, k.data(), v.data());
    return arena;
  });
  std::vector<std::byte> expected(bytes, std::byte{0xEE});
  const KvView view = {expected.data(), shape, kBlocks};
  const bool half = shape.format == KvFormat::kF16;
  const float limit = half ? 65504.0f : std::numeric_limits<float>::max();
  const auto put = [&](std::byte* base, size_t index, float value) {
    value = std::isnan(value) ? -limit : std::clamp(value, -limit, limit);
    if (half) {
      const auto h = static_cast<_Float16>(value);
      std::memcpy(base + index * 2, &h, 2);
    } else {
      std::memcpy(base + index * 4, &value, 4);
    }
  };
  for (uint32_t head = 0; head < 3; ++head) {
    for (uint32_t d = 0; d < per_head; ++d) {
      put(view.keys(1, 2, head), size_t{d} * kBlockTokens + 5, k[head * per_head + d]);
      put(view.values(1, 2, head), size_t{5} * per_head + d, v[head * per_head + d]);
    }
  }
  EXPECT_EQ(got, expected);
}

INSTANTIATE_TEST_SUITE_P(Formats, StoreKvTest, ::testing::Values(KvFormat::kF16, KvFormat::kF32));

}  // namespace
}  // namespace quire
