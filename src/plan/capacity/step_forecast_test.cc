#include "plan/capacity/step_forecast.h"

#include <gtest/gtest.h>

#include "plan/capacity/shape_json.h"

namespace quire {
namespace {

constexpr KvFormat kFormat = KvFormat::kK16V8;

ModelShape Shape(const std::string& more = "") {
  const auto shape = ParseModelShape(
      R"({"layers": 10, "width": 512, "ffn_width": 1024, "query_heads": 8, "kv_heads": 2,
          "vocabulary": 32000, "context": 8192)" +
      more + "}");
  EXPECT_TRUE(shape) << shape.error().message;
  return *shape;
}

// A step takes 10 ms and 1 ms a row, and 1 us for every 100 positions.
ModelTimes Times() {
  return {.decode = {{1, 0.011, 0.001}, {4, 0.014, 0.002}, {64, 0.074, 0.022}},
          .chunk = {{1, 0.011, 0.001}, {64, 0.074, 0.001}, {256, 0.266, 0.001}},
          .attention = {{kFormat, {1e-8, 1e-9}}}};
}

TEST(StepForecast, IsReadOffThePointsAndBeyondThem) {
  const ModelShape shape = Shape();
  const ModelTimes times = Times();
  const StepForecast forecast(shape, times, kFormat, {});
  const auto decode = [&](uint32_t sequences) {
    return forecast.DecodeSeconds(sequences, 99) - sequences * (kTokenSeconds + 1000 * 1e-8);
  };
  EXPECT_NEAR(decode(1), 0.012, 1e-12);
  EXPECT_NEAR(decode(2), 0.012 + 0.001333333, 1e-8);
  EXPECT_NEAR(decode(64), 0.096, 1e-12);
  EXPECT_NEAR(decode(128), 0.138 + 0.0433333333, 1e-8);
  EXPECT_NEAR(forecast.ChunkSeconds(512, 0), 0.522 + forecast.AttendedBy(512, 0) * 1e-9, 1e-9);
}

TEST(StepForecast, PositionsOfAChunkAreThoseOfItsTokens) {
  for (const char* more : {"", R"(, "window": 100)", R"(, "window": 100, "windowed_layers": 7)"}) {
    const ModelShape shape = Shape(more);
    const ModelTimes times = Times();
    const StepForecast forecast(shape, times, kFormat, {});
    for (const uint32_t first : {0u, 1u, 50u, 99u, 100u, 1000u}) {
      for (const uint32_t rows : {1u, 2u, 60u, 300u}) {
        double sum = 0;
        for (uint32_t i = 0; i < rows; ++i) sum += forecast.Attended(first + i);
        EXPECT_DOUBLE_EQ(forecast.AttendedBy(rows, first), sum) << more << first << " " << rows;
      }
    }
  }
}

TEST(StepForecast, PromptsAreReadInStepsOfTheTarget) {
  const ModelShape shape = Shape();
  const ModelTimes times = Times();
  const StepForecast forecast(shape, times, kFormat, {.target_seconds = 0.1, .pause_seconds = 0});
  const StepForecast::Prefill prefill = forecast.PrefillOf(900);
  EXPECT_NEAR(prefill.largest_step, 90, 1);  // 10 ms + 90 rows
  EXPECT_NEAR(prefill.steps, 10, 1);
  EXPECT_NEAR(
      prefill.seconds,
      prefill.steps * 0.01 + 0.9 + forecast.AttendedBy(900, 0) * 1e-9 + 0.001 + kRequestSeconds,
      0.002);
  const StepForecast free(shape, times, kFormat, {.step_tokens = 512, .target_seconds = 10});
  EXPECT_EQ(free.PrefillOf(900).steps, 2u);
  EXPECT_EQ(free.PrefillOf(900).largest_step, 512u);
  EXPECT_EQ(free.PrefillOf(900, 899).steps, 1u);
  EXPECT_EQ(free.PrefillOf(1, 1).steps, 1u);  // the last token is computed in any case
}

TEST(StepForecast, AfterAPauseStepsAreLonger) {
  const ModelShape shape = Shape();
  const ModelTimes times = Times();
  const auto after = [&](double pause_seconds) {
    return StepForecast(shape, times, kFormat, {.step_tokens = 900, .pause_seconds = pause_seconds})
        .PrefillOf(900);
  };
  EXPECT_NEAR(after(1).largest_step, 90, 1);   // a twentieth would be less than the target
  EXPECT_NEAR(after(8).largest_step, 389, 3);  // 0.4 s: 10 ms + 389 rows
  EXPECT_NEAR(after(16).largest_step, 785, 5);
  EXPECT_EQ(after(1000).largest_step, after(16).largest_step);
  EXPECT_EQ(after(16).steps, 2u);
  EXPECT_NEAR(after(1).seconds - after(16).seconds, 0.01 * (after(1).steps - 2.0), 1e-3);
}

TEST(StepForecast, MoreTakesLonger) {
  const ModelShape shape = Shape(R"(, "window": 64, "windowed_layers": 5)");
  const ModelTimes times = Times();
  const StepForecast forecast(shape, times, kFormat, {});
  double before = 0;
  for (uint32_t tokens = 1; tokens < 3000; tokens += 37) {
    const double seconds = forecast.PrefillOf(tokens).seconds;
    EXPECT_GT(seconds, before);
    EXPECT_LE(forecast.PrefillOf(tokens, tokens / 2).seconds, seconds);
    before = seconds;
  }
  for (uint32_t depth = 1; depth < 8000; depth *= 2) {
    EXPECT_GT(forecast.DecodeSeconds(4, depth), forecast.DecodeSeconds(4, depth - 1));
    EXPECT_GT(forecast.DecodeSeconds(5, depth), forecast.DecodeSeconds(4, depth));
  }
}

TEST(StepForecast, AFormatThatWasNotMeasuredIsScaledByItsBytes) {
  const ModelShape shape = Shape();
  const ModelTimes times = Times();
  const StepForecast f16(shape, times, KvFormat::kF16, {});
  const double ratio = static_cast<double>(shape.kv(KvFormat::kF16).block_bytes()) /
                       static_cast<double>(shape.kv(kFormat).block_bytes());
  EXPECT_NEAR(f16.attention().decode, 1e-8 * ratio, 1e-12);
}

TEST(StepForecast, OnePointIsEnough) {
  const ModelShape shape = Shape();
  const ModelTimes times{
      .decode = {{1, 0.01, 0.001}}, .chunk = {{1, 0.01, 0.001}}, .attention = {{kFormat, {}}}};
  const StepForecast forecast(shape, times, kFormat, {});
  EXPECT_NEAR(forecast.DecodeSeconds(10, 0), 0.11 + 10 * kTokenSeconds, 1e-9);
}

}  // namespace
}  // namespace quire
