#include "model/kv_choice.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

TEST(KvChoice, KnowsFormatsByName) {
  EXPECT_EQ(KvFormatNamed("f16"), KvFormat::kF16);
  EXPECT_EQ(KvFormatNamed("q8"), KvFormat::kQ8);
  EXPECT_EQ(KvFormatNamed("k16v8"), KvFormat::kK16V8);
  EXPECT_EQ(KvFormatNamed("auto"), kDefaultKvFormat);
}

TEST(KvChoiceDeathTest, OtherNamesAreBugs) {
  EXPECT_DEATH(KvFormatNamed("q9"), "no such KV format");
}

// Eight bits and a scale per token: about half, and three quarters, of f16.
TEST(KvChoice, ShapesCostWhatTheyStore) {
  ModelConfig config;
  config.layers = 5;
  config.kv_heads = 3;
  config.head_dim = 64;
  const auto bytes = [&config](KvFormat format) { return KvShapeOf(config, format).block_bytes(); };
  EXPECT_EQ(bytes(KvFormat::kF16), 5u * 3 * 2 * 16 * 64 * 2);
  EXPECT_EQ(bytes(KvFormat::kQ8), 5u * 3 * 2 * 16 * (64 + 4));
  EXPECT_EQ(bytes(KvFormat::kK16V8), 5u * 3 * 16 * (64 * 2 + 64 + 4));
}

}  // namespace
}  // namespace quire
