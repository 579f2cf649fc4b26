#include "model/model.h"

#include <gtest/gtest.h>

#include <cstring>

#include "model/weights.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

using test::MakeTinyModel;
using test::TinyModelOptions;

Result<std::unique_ptr<Model>> Load(const std::vector<std::byte>& bytes, LoadOptions options = {}) {
  WorkerPool pool(2);
  Result<GgufFile> file = GgufFile::Parse(bytes);
  EXPECT_TRUE(file.has_value()) << file.error().message;
  return Model::Load(std::make_shared<const GgufFile>(std::move(*file)), options, pool);
}

// The bytes with the first `from` turned into `to`, of equal length.
std::vector<std::byte> Renamed(std::vector<std::byte> bytes, std::string_view from,
                               std::string_view to) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string_view::npos);
  EXPECT_EQ(from.size(), to.size());
  std::memcpy(bytes.data() + at, to.data(), to.size());
  return bytes;
}

TEST(ModelTest, NamesAMissingTensor) {
  const auto bytes = MakeTinyModel({});
  for (const std::string name : {"blk.1.attn_k.weight", "blk.0.ffn_down.weight",
                                 "output_norm.weight", "blk.1.attn_norm.weight"}) {
    std::string other = name;
    other[other.size() - 1] = 'X';
    const auto model = Load(Renamed(bytes, name, other));
    ASSERT_FALSE(model.has_value());
    EXPECT_EQ(model.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(model.error().message.find(name), std::string::npos) << model.error().message;
  }
}

TEST(ModelTest, NamesATensorOfTheWrongShape) {
  // Two tensors trade names: each is there, with the shape of the other.
  const auto first = Renamed(MakeTinyModel({}), "blk.0.attn_k.weight", "blk.0.swapped.weig_");
  const auto second = Renamed(first, "blk.0.attn_q.weight", "blk.0.attn_k.weight");
  const auto model = Load(Renamed(second, "blk.0.swapped.weig_", "blk.0.attn_q.weight"));
  ASSERT_FALSE(model.has_value());
  EXPECT_NE(model.error().message.find("blk.0.attn_q.weight"), std::string::npos);
  EXPECT_NE(model.error().message.find("are expected"), std::string::npos);
}

TEST(ModelTest, TheDigestFollowsWeightsAndConfiguration) {
  const TinyModelOptions options{.tied = false};
  const auto bytes = MakeTinyModel(options);
  const auto model = Load(bytes);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const std::string digest = (*model)->digest();
  EXPECT_EQ(digest.size(), 32u);
  EXPECT_EQ((*Load(bytes))->digest(), digest);

  auto last_bit = bytes;
  last_bit.back() ^= std::byte{1};
  EXPECT_NE((*Load(last_bit))->digest(), digest);
  TinyModelOptions other_rope = options;
  other_rope.rope_base = 20000;
  EXPECT_NE((*Load(MakeTinyModel(other_rope)))->digest(), digest);
  EXPECT_NE((*Load(bytes, {.precision = Precision::kFloat32, .progress = {}}))->digest(), digest);
}

TEST(ModelTest, ReportsProgressToTheEnd) {
  uint64_t last = 0;
  uint64_t total = 0;
  LoadOptions options;
  options.progress = [&](uint64_t done_bytes, uint64_t total_bytes) {
    EXPECT_GT(done_bytes, last);
    last = done_bytes;
    total = total_bytes;
  };
  ASSERT_TRUE(Load(MakeTinyModel({}), options).has_value());
  EXPECT_GT(last, 0u);
  EXPECT_EQ(last, total);
}

TEST(ModelTest, LoadsEveryTensorType) {
  for (const TensorType type :
       {TensorType::kF32, TensorType::kF16, TensorType::kBF16, TensorType::kQ4_0, TensorType::kQ4_1,
        TensorType::kQ5_0, TensorType::kQ5_1, TensorType::kQ8_0, TensorType::kQ2_K,
        TensorType::kQ3_K, TensorType::kQ4_K, TensorType::kQ5_K, TensorType::kQ6_K,
        TensorType::kIQ4_NL, TensorType::kIQ4_XS}) {
    const auto model = Load(MakeTinyModel({.type = type}));
    ASSERT_TRUE(model.has_value()) << Info(type).name << ": " << model.error().message;
    EXPECT_EQ((*model)->weights().layers[0].gate.matrix.type, type) << Info(type).name;
    EXPECT_GT((*model)->weight_bytes(), 0u);
  }
}

}  // namespace
}  // namespace quire
