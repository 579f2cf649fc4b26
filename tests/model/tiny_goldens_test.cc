// Tiny models whose logits were computed by the transformers library (tools/make_tiny_goldens.py):
// architectures, head sizes, biases, windows and rope scalings that no real test model covers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/worker_pool.h"
#include "model/single_sequence.h"

namespace quire {
namespace {

std::vector<std::string> TinyFiles() {
  std::vector<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(QUIRE_SOURCE_DIR "/tests/golden/tiny")) {
    if (entry.path().extension() == ".gguf") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

class TinyGolden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto file =
        GgufFile::Open(QUIRE_SOURCE_DIR "/tests/golden/tiny/" + std::string(GetParam()) + ".gguf");
    ASSERT_TRUE(file.has_value()) << file.error().message;
    file_ = std::make_shared<const GgufFile>(std::move(*file));
    const auto tokens = file_->GetInts("quire.test.tokens");
    const auto positions = file_->GetInts("quire.test.positions");
    const auto logits = file_->GetFloats("quire.test.logits");
    ASSERT_TRUE(tokens && positions && logits);
    tokens_.assign(tokens->begin(), tokens->end());
    positions_ = *positions;
    expected_ = *logits;
  }

  void Load(Precision precision) {
    auto model = Model::Load(file_, {.precision = precision, .progress = {}}, pool_);
    ASSERT_TRUE(model.has_value()) << model.error().message;
    model_ = std::move(*model);
  }

  // The largest difference to the expected logits, all tokens read in one pass.
  float LargestDifference(KvFormat format) {
    const uint32_t count = static_cast<uint32_t>(tokens_.size());
    SingleSequence sequence(
        *model_, pool_,
        {.format = format,
         .limits = {.max_tokens = count, .max_logit_rows = count, .max_context = 128}});
    const std::span<const float> logits = sequence.Append(tokens_, count);
    const size_t vocab = model_->config().vocab_size;
    EXPECT_EQ(expected_.size(), positions_.size() * vocab);
    float worst = 0;
    for (size_t i = 0; i < positions_.size(); ++i) {
      const auto row = logits.subspan(static_cast<size_t>(positions_[i]) * vocab, vocab);
      for (size_t token = 0; token < vocab; ++token) {
        const float difference = std::fabs(row[token] - expected_[i * vocab + token]);
        worst = difference > worst || std::isnan(difference) ? difference : worst;
      }
    }
    return worst;
  }

  WorkerPool pool_{2};
  std::shared_ptr<const GgufFile> file_;
  std::unique_ptr<Model> model_;
  std::vector<TokenId> tokens_;
  std::vector<int64_t> positions_;
  std::vector<float> expected_;
};

TEST_P(TinyGolden, Float32GivesTheLogitsOfTransformers) {
  Load(Precision::kFloat32);
  EXPECT_LE(LargestDifference(KvFormat::kF32), 2e-4f);
}

TEST_P(TinyGolden, ServingModeIsNear) {
  Load(Precision::kQuantised);  // float16 weights are read as they are; the KV is rounded
  EXPECT_LE(LargestDifference(KvFormat::kF16), 0.05f);
}

INSTANTIATE_TEST_SUITE_P(Transformers, TinyGolden, testing::ValuesIn(TinyFiles()),
                         [](const testing::TestParamInfo<std::string>& item) {
                           std::string name = item.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace quire
