#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "kernels/matmul.h"
#include "kernels/quant_block.h"

namespace quire {
namespace {

// The golden file: records of {u32 type, u32 bytes, u32 values, blocks, float32 values}, random
// blocks and what the `gguf` Python package makes of them.
std::string GoldenPath() {
  const char* other = std::getenv("QUIRE_DEQUANTIZE_GOLDEN");  // a larger file of the same form
  return other != nullptr ? other : QUIRE_SOURCE_DIR "/tests/golden/dequantize/blocks.bin";
}

TEST(DequantizeTest, EqualsTheGoldenValues) {
  std::ifstream file(GoldenPath(), std::ios::binary);
  ASSERT_TRUE(file) << GoldenPath();
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  std::set<TensorType> seen;
  for (size_t at = 0; at < bytes.size();) {
    uint32_t head[3];
    ASSERT_LE(at + sizeof(head), bytes.size());
    std::memcpy(head, bytes.data() + at, sizeof(head));
    at += sizeof(head);
    ASSERT_LE(at + head[1] + head[2] * sizeof(float), bytes.size());
    std::vector<std::byte> row(head[1]);
    std::memcpy(row.data(), bytes.data() + at, row.size());
    std::vector<float> expected(head[2]);
    std::memcpy(expected.data(), bytes.data() + at + row.size(), head[2] * sizeof(float));
    at += row.size() + expected.size() * sizeof(float);

    const TensorType type = static_cast<TensorType>(head[0]);
    seen.insert(type);
    std::vector<float> values(expected.size());
    DequantizeRow(type, row, values);
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(values[i], expected[i]) << Info(type).name << " value " << i;
    }
  }
  EXPECT_EQ(seen.size(), 14u) << "every type but F32";
}

TEST(DequantizeTest, EveryHalfWidensExactly) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const auto h = static_cast<uint16_t>(half);
    const float sign = half & 0x8000 ? -1.0f : 1.0f;
    const int exponent = static_cast<int>(half >> 10 & 31);
    const int mantissa = static_cast<int>(half & 1023);
    if (exponent == 31) {
      EXPECT_FALSE(std::isfinite(HalfToFloat(h)));
      EXPECT_EQ(std::isinf(HalfToFloat(h)), mantissa == 0);
      continue;
    }
    const float expected = exponent == 0
                               ? std::ldexp(static_cast<float>(mantissa), -24)
                               : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    ASSERT_EQ(std::bit_cast<uint32_t>(HalfToFloat(h)), std::bit_cast<uint32_t>(sign * expected));
  }
}

TEST(DequantizeTest, F32IsCopied) {
  const std::vector<float> values = {1.5f, -2.25f, 0.0f};
  std::vector<float> out(3);
  DequantizeRow(TensorType::kF32, std::as_bytes(std::span(values)), out);
  EXPECT_EQ(out, values);
}

}  // namespace
}  // namespace quire
