#include "apps/bench/bench_stage.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/worker_pool.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

class BenchStageTest : public testing::Test {
 protected:
  void SetUp() override {
    bytes_ = test::MakeTinyModel({.layers = 1, .width = 64, .ffn = 64, .heads = 1, .kv_heads = 1});
    auto file = std::make_shared<const GgufFile>(*GgufFile::Parse(bytes_));
    model_ = *Model::Load(file, {}, pool_);
  }
  auto Create(const std::vector<BenchCase>& cases) {
    return BenchStage::Create(*model_, pool_, cases, {.chunk_tokens = 32});
  }

  std::vector<std::byte> bytes_;
  WorkerPool pool_{2};
  std::unique_ptr<Model> model_;
};

// Positions, tables and limits are checked by the forward pass itself, which aborts.
TEST_F(BenchStageTest, RunsEveryKindOfCase) {
  const std::vector<BenchCase> cases = {
      {.tokens = 1},
      {.tokens = 33},
      {.tokens = 5, .clients = 1},
      {.tokens = 20, .depth = 1000, .clients = 1},
      {.tokens = 3, .depth = 40, .clients = 50},
      {.tokens = 3, .depth = 300, .clients = 7, .shared_prefix = 299}};
  auto stage = Create(cases);
  ASSERT_TRUE(stage) << stage.error().message;
  for (const BenchCase& bench : cases) EXPECT_GT((*stage)->Run(bench), 0);
}

TEST_F(BenchStageTest, ASharedPrefixIsStoredOnce) {
  const BenchCase apart{.tokens = 16, .depth = 1600, .clients = 10};
  BenchCase together = apart;
  together.shared_prefix = 1600;
  const uint64_t block = model_->kv_shape(KvFormat::kF16).block_bytes();
  EXPECT_EQ((*Create({apart}))->kv_bytes(), block * 10 * 101);
  EXPECT_EQ((*Create({together}))->kv_bytes(), block * (100 + 10));
}

TEST_F(BenchStageTest, RefusesMoreKvThanThereIsMemory) {
  const auto stage = Create({{.tokens = 1, .depth = 1u << 24, .clients = 1024}});
  ASSERT_FALSE(stage);
  EXPECT_EQ(stage.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(stage.error().message.find("1024 sequences of 16777217 tokens"), std::string::npos);
}

}  // namespace
}  // namespace quire
