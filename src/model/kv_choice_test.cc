#include "model/kv_choice.h"

#include <gtest/gtest.h>

#include "tests/support/tiny_model.h"

namespace quire {
namespace {

class KvChoice : public testing::Test {
 protected:
  // The file of a tiny model; kept until the next.
  const GgufFile& Make(const test::TinyModelOptions& options) {
    bytes_ = test::MakeTinyModel(options);
    auto file = GgufFile::Parse(bytes_);
    EXPECT_TRUE(file);
    file_ = std::make_unique<GgufFile>(std::move(*file));
    return *file_;
  }

  std::vector<std::byte> bytes_;
  std::unique_ptr<GgufFile> file_;
};

TEST_F(KvChoice, KeepsKeysInHalvesWhereTheyAreBiasedOrNormalised) {
  EXPECT_EQ(ChooseKvFormat(Make({.architecture = "llama"})), KvFormat::kQ8);
  EXPECT_EQ(ChooseKvFormat(Make({.architecture = "qwen2"})), KvFormat::kK16V8);  // biases
  EXPECT_EQ(ChooseKvFormat(Make({.architecture = "qwen2", .biases = false})), KvFormat::kQ8);
  EXPECT_EQ(ChooseKvFormat(Make({.architecture = "qwen3"})), KvFormat::kK16V8);  // norms
  EXPECT_EQ(ChooseKvFormat(Make({.architecture = "gemma3"})), KvFormat::kK16V8);
}

TEST_F(KvChoice, KnowsFormatsByName) {
  const GgufFile& file = Make({.architecture = "llama"});
  EXPECT_EQ(KvFormatNamed("f16", file), KvFormat::kF16);
  EXPECT_EQ(KvFormatNamed("q8", file), KvFormat::kQ8);
  EXPECT_EQ(KvFormatNamed("k16v8", file), KvFormat::kK16V8);
  EXPECT_EQ(KvFormatNamed("auto", file), ChooseKvFormat(file));
}

// Eight bits and a scale per token: about half, and three quarters, of f16.
TEST_F(KvChoice, ShapesCostWhatTheyStore) {
  const ModelConfig config{.layers = 5, .kv_heads = 3, .head_dim = 64};
  const auto bytes = [&config](KvFormat format) { return KvShapeOf(config, format).block_bytes(); };
  EXPECT_EQ(bytes(KvFormat::kF16), 5u * 3 * 2 * 16 * 64 * 2);
  EXPECT_EQ(bytes(KvFormat::kQ8), 5u * 3 * 2 * 16 * (64 + 4));
  EXPECT_EQ(bytes(KvFormat::kK16V8), 5u * 3 * 16 * (64 * 2 + 64 + 4));
}

}  // namespace
}  // namespace quire
