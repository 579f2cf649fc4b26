#include "apps/plan/stand_in.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "apps/plan/model_meter.h"
#include "base/worker_pool.h"
#include "model/model.h"
#include "plan/capacity/shape_json.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

ModelShape TinyShape(const test::TinyModelOptions& options) {
  const auto bytes = test::MakeTinyModel(options);
  const GgufFile file = std::move(*GgufFile::Parse(bytes));
  return ShapeOfFile(file, *ReadModelConfig(file));
}

TEST(StandIn, OfASmallModelHasAllOfItsShape) {
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma3"}) {
    for (const TensorType type : {TensorType::kQ4_K, TensorType::kF16}) {
      const ModelShape shape = TinyShape({.architecture = architecture, .layers = 3, .type = type});
      const auto bytes = MakeStandIn(shape);
      auto file = GgufFile::Parse(bytes);
      ASSERT_TRUE(file) << file.error().message;
      WorkerPool pool(1);
      const auto model = Model::Load(std::make_shared<const GgufFile>(*std::move(file)), {}, pool);
      ASSERT_TRUE(model) << architecture << ": " << model.error().message;
      EXPECT_EQ((*model)->weight_bytes(), shape.weight_bytes()) << architecture;
      EXPECT_EQ((*model)->config().layers, 3u);
    }
  }
}

TEST(StandIn, OfALargeModelHasAFewLayersFromAllItsDepth) {
  auto shape = ParseModelShape(
      R"({"layers": 80, "width": 8192, "ffn_width": 28672, "query_heads": 64, "kv_heads": 8,
          "vocabulary": 128256, "context": 131072})");
  ASSERT_TRUE(shape);
  EXPECT_EQ(StandInSizeOf(*shape).layers, 1u);
  EXPECT_EQ(StandInSizeOf(*shape).vocabulary, 16384u);
  EXPECT_LT(StandInBytes(*shape), uint64_t{3} << 30);
  EXPECT_EQ(UnreadBytes(*shape), uint64_t{192} << 20);
  EXPECT_EQ(UnreadBytes(TinyShape({.layers = 3})), 0u);  // all of it stands for itself
}

constexpr MeterEffort kShort{.seconds = 1e-3, .least_rounds = 2};

TEST(ModelMeter, GivesTimesOfEveryKind) {
  const ModelShape shape = TinyShape({.layers = 2, .context = 1024});
  WorkerPool pool(2);
  double told = 0;
  const auto report = MeasureModel(shape, pool, kShort, [&](double share) { told = share; });
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_DOUBLE_EQ(told, 1);
  EXPECT_GT(report->peaks.read_bytes, 0);
  const ModelTimes& times = report->times;
  EXPECT_EQ(times.stand_in_layers, 2u);
  EXPECT_EQ(times.attention.size(), 3u);
  EXPECT_EQ(times.decode.front().rows, 1u);
  EXPECT_EQ(times.decode.back().rows, 64u);
  EXPECT_EQ(times.chunk.front().rows, 1u);
  EXPECT_EQ(times.chunk.back().rows, 512u);
  for (const StepPoint& point : times.decode) EXPECT_GT(point.output, 0);
  for (const auto* points : {&times.decode, &times.chunk}) {  // each number of rows once
    EXPECT_TRUE(std::ranges::is_sorted(*points, std::ranges::less_equal{}, &StepPoint::rows));
  }
  MachineProfile profile{.machine = {.threads = 2}, .peaks = report->peaks};
  profile.models["key"] = times;
  const auto again = MachineProfile::Parse(profile.Json());
  EXPECT_TRUE(again) << again.error().message;
}

TEST(ModelMeter, AContextOfFewTokensIsEnough) {
  const ModelShape shape = TinyShape({.layers = 1, .context = 64});
  WorkerPool pool(1);
  const auto report = MeasureModel(shape, pool, kShort, [](double) {});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->times.chunk.empty());
}

}  // namespace
}  // namespace quire
