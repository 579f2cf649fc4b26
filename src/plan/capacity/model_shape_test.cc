#include "plan/capacity/model_shape.h"

#include <gtest/gtest.h>

#include "base/worker_pool.h"
#include "model/model.h"
#include "plan/capacity/time_terms.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

using test::TinyModelOptions;

struct Loaded {
  std::shared_ptr<const GgufFile> file;
  std::unique_ptr<Model> model;
  ModelShape shape;
};

Loaded Load(const std::vector<std::byte>& bytes) {
  WorkerPool pool(1);
  Loaded loaded;
  loaded.file = std::make_shared<const GgufFile>(std::move(*GgufFile::Parse(bytes)));
  loaded.model = std::move(*Model::Load(loaded.file, {}, pool));
  loaded.shape = ShapeOfFile(*loaded.file, loaded.model->config());
  return loaded;
}

TEST(ModelShape, WeightsAreWhatTheModelTakes) {
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma3"}) {
    for (const TensorType type : {TensorType::kQ8_0, TensorType::kQ4_K, TensorType::kF16}) {
      for (const bool tied : {true, false}) {
        const auto bytes = test::MakeTinyModel(
            {.architecture = architecture, .layers = 3, .type = type, .tied = tied});
        const Loaded loaded = Load(bytes);
        EXPECT_EQ(loaded.shape.weight_bytes(), loaded.model->weight_bytes())
            << architecture << " " << static_cast<int>(type) << tied;
        EXPECT_EQ(loaded.shape.has_float_matrices(), type == TensorType::kF16);
      }
    }
  }
}

TEST(ModelShape, KvIsThatOfTheModel) {
  const Loaded loaded = Load(test::MakeTinyModel({}));
  for (const KvFormat format : {KvFormat::kF16, KvFormat::kK16V8, KvFormat::kQ8}) {
    EXPECT_EQ(loaded.shape.kv(format).block_bytes(), loaded.model->kv_shape(format).block_bytes());
  }
}

TEST(ModelShape, KeysTellShapesApart) {
  const auto key = [](const TinyModelOptions& options) {
    return Load(test::MakeTinyModel(options)).shape.Key();
  };
  EXPECT_EQ(key({.seed = 1}), key({.seed = 2}));  // other weights take as long
  EXPECT_NE(key({}), key({.layers = 3}));
  EXPECT_NE(key({}), key({.type = TensorType::kQ4_0}));
  EXPECT_NE(key({}), key({.kv_heads = 4}));
}

TEST(ModelShape, WorkIsCountedOnce) {
  const Loaded loaded = Load(test::MakeTinyModel({.layers = 2, .tied = false}));
  const ModelConfig& config = loaded.model->config();
  const double attention = 2.0 * config.width * (config.query_width() + 2.0 * config.kv_width());
  const double rest = 2.0 * config.width * (config.query_width() + 3.0 * config.ffn_width);
  const MatrixWork work = WorkOf(loaded.shape);
  EXPECT_EQ(work.every_row.dot_ops, 2 * attention + rest);
  EXPECT_EQ(work.logits_only.dot_ops, rest);
  EXPECT_EQ(work.output.dot_ops, 2.0 * config.width * config.vocab_size);
  EXPECT_EQ(work.every_row.float_ops, 0);
}

TEST(ModelShape, AtThePeaksTheSlowerOfReadingAndMultiplyingCounts) {
  const Loaded loaded = Load(test::MakeTinyModel({}));
  const MatrixWork work = WorkOf(loaded.shape);
  const PeakRates peaks{.dot_ops = 1e9, .fma_ops = 1e8, .read_bytes = 1e9};
  EXPECT_DOUBLE_EQ(IdealOutput(work, peaks, 1),
                   std::max(work.output.bytes, work.output.dot_ops) / 1e9);
  EXPECT_DOUBLE_EQ(IdealLayers(work, peaks, 1000, 1),
                   (1000 * work.every_row.dot_ops + work.logits_only.dot_ops) / 1e9);
}

}  // namespace
}  // namespace quire
