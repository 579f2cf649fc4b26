#include "apps/bench/model_cost.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/worker_pool.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

// Counts by hand for the shapes of MakeTinyModel: width 256, ffn 512, 4 heads and 2 KV heads of 64.
constexpr double kQkv = 256.0 * (256 + 128 + 128);
constexpr double kRest = 256.0 * 256 + 3 * 256.0 * 512;  // attention output, gate, up, down

class ModelCostTest : public testing::Test {
 protected:
  void Load(const test::TinyModelOptions& options) {
    bytes_ = test::MakeTinyModel(options);
    file_ = std::make_shared<const GgufFile>(*GgufFile::Parse(bytes_));
    model_ = *Model::Load(file_, {}, pool_);
  }
  PassCost Cost(const BenchCase& bench, uint32_t chunk = 512, KvFormat kv = KvFormat::kF16) {
    return ModelCost(*file_, *model_, model_->kv_shape(kv)).Of(bench, chunk);
  }
  double vocab() const { return model_->config().vocab_size; }

  std::vector<std::byte> bytes_;
  WorkerPool pool_{1};
  std::shared_ptr<const GgufFile> file_;
  std::unique_ptr<Model> model_;
};

// C1
TEST_F(ModelCostTest, PrefillSkipsWhatNobodyAsksForInTheLastLayer) {
  Load({.layers = 2, .tied = false});
  const PassCost cost = Cost({.tokens = 10});
  EXPECT_EQ(cost.dot_ops, 2 * (10 * (2 * kQkv + kRest) + kRest + vocab() * 256));
  EXPECT_EQ(cost.float_ops, 0);
  // 1 + 2 + ... + 10 positions in the first layer, 10 for the last token in the second.
  EXPECT_EQ(cost.attention_ops, 4 * 256 * (55 + 10));
}

TEST_F(ModelCostTest, PrefillReadsWeightsOncePerPass) {
  Load({});
  const double weights = static_cast<double>(model_->weight_bytes());
  EXPECT_EQ(Cost({.tokens = 64}, 64).weight_bytes, weights);
  EXPECT_EQ(Cost({.tokens = 65}, 64).weight_bytes, 2 * weights);
  // Keys and values of 2 KV heads of 64 as halves, 2 layers: 64 tokens, then all 65.
  EXPECT_EQ(Cost({.tokens = 65}, 64).kv_bytes, (64 + 65) * 2.0 * 2 * 64 * 2 * 2);
}

TEST_F(ModelCostTest, DecodeComputesEveryLayerForEveryClient) {
  Load({.layers = 2, .tied = true});
  const PassCost cost = Cost({.tokens = 1, .depth = 100, .clients = 3});
  EXPECT_EQ(cost.dot_ops, 3 * 2 * (2 * (kQkv + kRest) + vocab() * 256));
  EXPECT_EQ(cost.attention_ops, 3 * 4 * 256 * 101.0 * 2);
  EXPECT_EQ(cost.weight_bytes, static_cast<double>(model_->weight_bytes()));
  EXPECT_EQ(cost.kv_bytes, 3 * 101.0 * 2 * 2 * 64 * 2 * 2);
}

TEST_F(ModelCostTest, ASharedPrefixIsReadOnceAStep) {
  Load({.layers = 1});
  const double token = 2 * 2 * 64 * 2;
  const BenchCase bench{.tokens = 2, .depth = 64, .clients = 4, .shared_prefix = 48};
  EXPECT_EQ(Cost(bench).kv_bytes, token * ((48 + 4 * 17) + (48 + 4 * 18)));
}

// C2
TEST_F(ModelCostTest, WindowsBoundAttention) {
  Load({.architecture = "gemma3", .layers = 6, .sliding_window = 48});
  const BenchCase bench{.tokens = 1, .depth = 199, .clients = 2, .shared_prefix = 160};
  const PassCost cost = Cost(bench);
  EXPECT_EQ(cost.attention_ops, 2 * 4 * 256 * (5 * 48.0 + 200));
  // Of the last 48 of 200 positions, 8 belong to the shared ones.
  EXPECT_EQ(cost.kv_bytes, 2 * 2 * 64 * 2 * (5 * (8 + 2 * 40.0) + (160 + 2 * 40.0)));
}

// C3
TEST_F(ModelCostTest, KeysInBytesAreScoredByByteProducts) {
  Load({.layers = 2});
  const BenchCase bench{.tokens = 1, .depth = 9, .clients = 1};
  const PassCost cost = Cost(bench, 512, KvFormat::kQ8);
  EXPECT_EQ(cost.attention_ops, 2 * 256 * 10 * 2);
  EXPECT_EQ(cost.score_dot_ops, 2 * 2 * 256 * 10 * 2);
  EXPECT_LT(cost.kv_bytes, 0.6 * Cost(bench).kv_bytes);
  EXPECT_EQ(Cost(bench, 512, KvFormat::kK16V8).score_dot_ops, 0);
}

TEST_F(ModelCostTest, FloatWeightsCountApart) {
  Load({.layers = 1, .type = TensorType::kF16});
  const PassCost cost = Cost({.tokens = 1, .clients = 1});
  EXPECT_EQ(cost.dot_ops, 0);
  EXPECT_EQ(cost.float_ops, 2 * (kQkv + kRest + vocab() * 256));
}

}  // namespace
}  // namespace quire
