#include "model/attention_look.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <utility>

#include "model/single_sequence.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

using test::TinyModelOptions;

class Looked {
 public:
  explicit Looked(const TinyModelOptions& options) : Looked(test::MakeTinyModel(options)) {}
  explicit Looked(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {
    auto file = std::make_shared<const GgufFile>(std::move(*GgufFile::Parse(bytes_)));
    model_ = std::move(*Model::Load(std::move(file), {}, pool_));
    look_ = std::move(*AttentionLook::Make(*model_));
  }
  std::vector<float> At(std::span<const TokenId> tokens, uint32_t layer,
                        const AttentionLook::InVain& in_vain = nullptr) {
    return look_->At(tokens, layer, in_vain);
  }
  const ModelConfig& config() const { return model_->config(); }

 private:
  const std::vector<std::byte> bytes_;
  WorkerPool pool_{1};
  std::unique_ptr<Model> model_;
  std::unique_ptr<AttentionLook> look_;
};

std::vector<TokenId> Text(uint32_t count, uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % 200);
  return tokens;
}

TEST(AttentionLook, RowsAddUpToOneAndNobodySeesWhatComes) {
  Looked looked(TinyModelOptions{});
  for (const uint32_t count : {1u, 15u, 16u, 17u, kMostLookedAt}) {
    const auto weights = looked.At(Text(count), 1);
    const uint32_t heads = looked.config().query_heads;
    ASSERT_EQ(weights.size(), size_t{heads} * count * count);
    for (size_t row = 0; row < size_t{heads} * count; ++row) {
      double sum = 0;
      for (uint32_t seen = 0; seen < count; ++seen) {
        const float weight = weights[row * count + seen];
        EXPECT_EQ(weight > 0, seen <= row % count);
        sum += double{weight};
      }
      EXPECT_NEAR(sum, 1, 1e-6);
    }
  }
}

// Each token's look is decided by what is before it, whoever was looked at before.
TEST(AttentionLook, ABeginningLooksTheSameWhateverFollows) {
  Looked looked(TinyModelOptions{});
  const auto tokens = Text(40);
  const auto whole = looked.At(tokens, 1);
  looked.At(Text(64, 2), 0);
  const auto part = looked.At(std::span(tokens).first(24), 1);
  for (uint32_t head = 0; head < looked.config().query_heads; ++head) {
    for (uint32_t row = 0; row < 24; ++row) {
      for (uint32_t seen = 0; seen < 24; ++seen) {
        EXPECT_EQ(part[(head * 24 + row) * 24 + seen], whole[(head * 40 + row) * 40 + seen]);
      }
    }
  }
}

TEST(AttentionLook, LayersAndHeadsDiffer) {
  Looked looked(TinyModelOptions{});
  const auto tokens = Text(20);
  const auto first = looked.At(tokens, 0);
  EXPECT_NE(first, looked.At(tokens, 1));
  const size_t head = size_t{20} * 20;
  EXPECT_FALSE(std::equal(first.begin(), first.begin() + head, first.begin() + head));
}

// A KV head whose keys are nothing is looked at evenly, by the query heads that share it alone.
TEST(AttentionLook, QueryHeadsLookThroughTheirOwnKeys) {
  for (const uint32_t silent : {0u, 1u}) {
    auto bytes = test::MakeTinyModel({.heads = 4, .kv_heads = 2});
    const GgufFile file = std::move(*GgufFile::Parse(bytes));
    const TensorInfo* keys = file.FindTensor("blk.0.attn_k.weight");
    ASSERT_NE(keys, nullptr);
    const size_t half = keys->data.size() / 2;  // rows of one head after those of the other
    std::memset(bytes.data() + (keys->data.data() - bytes.data()) + silent * half, 0, half);
    Looked looked(std::move(bytes));
    const auto weights = looked.At(Text(20), 0);
    for (uint32_t head = 0; head < 4; ++head) {
      const float* const last = &weights[(head * 20 + 19) * 20];
      const auto [least, most] = std::minmax_element(last, last + 20);
      if (head / 2 == silent) {
        EXPECT_NEAR(*least, 0.05, 1e-6) << head;
        EXPECT_NEAR(*most, 0.05, 1e-6) << head;
      } else {
        EXPECT_GT(*most, 1.2 * *least) << head;
      }
    }
  }
}

TEST(AttentionLook, IsLeftBetweenLayersWhenNobodyWantsIt) {
  TinyModelOptions options;
  options.layers = 6;
  Looked looked(options);
  const auto weights = looked.At(Text(20), 5);
  for (uint32_t wanted = 0; wanted < 8; ++wanted) {
    uint32_t asked = 0;
    const auto at = looked.At(Text(20), 5, [&] { return asked++ == wanted; });
    EXPECT_EQ(asked, std::min(wanted + 1, 6u));
    EXPECT_EQ(at.empty(), wanted < 6);
    EXPECT_EQ(looked.At(Text(20), 5), weights) << "the next one";
  }
}

TEST(AttentionLook, AWindowHidesWhatIsOlder) {
  TinyModelOptions options;
  options.architecture = "gemma3";
  options.layers = 6;
  options.sliding_window = 16;
  Looked looked(options);
  ASSERT_TRUE(looked.config().windowed[0]);
  ASSERT_FALSE(looked.config().windowed[5]);
  const auto local = looked.At(Text(40), 0);
  const auto global = looked.At(Text(40), 5);
  EXPECT_EQ(local[39 * 40 + 23], 0);
  EXPECT_GT(local[39 * 40 + 24], 0);
  EXPECT_GT(global[39 * 40 + 0], 0);
}

}  // namespace
}  // namespace quire
