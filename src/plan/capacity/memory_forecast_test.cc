#include "plan/capacity/memory_forecast.h"

#include <gtest/gtest.h>

#include "base/size.h"
#include "base/worker_pool.h"
#include "model/forward.h"
#include "model/forward_memory.h"
#include "model/huge_buffer.h"
#include "model/model.h"
#include "plan/capacity/shape_json.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

ModelShape Shape(uint32_t layers = 12) {
  return *ParseModelShape(
      R"({"layers": )" + std::to_string(layers) +
      R"(, "width": 512, "ffn_width": 1024, "query_heads": 8, "kv_heads": 2, "vocabulary": 32000,
          "context": 8192})");
}

TEST(MemoryForecast, PartsAddUp) {
  const MemoryForecast forecast = ForecastMemory(Shape(), {.threads = 2});
  double sum = 0;
  for (const Term& term : forecast.fixed) {
    EXPECT_GT(term.value, 0) << term.name;
    EXPECT_FALSE(term.arithmetic.empty());
    sum += term.value;
  }
  EXPECT_EQ(forecast.fixed_bytes(), static_cast<uint64_t>(sum));
  EXPECT_EQ(forecast.fixed.front().value, static_cast<double>(Shape().weight_bytes()));
}

TEST(MemoryForecast, AsManyBlocksAsFitAndNotOneMore) {
  const MemoryForecast forecast = ForecastMemory(Shape(), {.threads = 2});
  for (const uint64_t memory :
       {uint64_t{0}, uint64_t{1}, forecast.fixed_bytes(), forecast.fixed_bytes() + 5 * kMiB,
        forecast.BytesWith(511), forecast.BytesWith(512) - 1, forecast.BytesWith(512),
        forecast.BytesWith(513), 300 * kMiB, 64 * kGiB, UINT64_MAX / 2}) {
    const uint64_t blocks = forecast.BlocksIn(memory);
    EXPECT_TRUE(blocks == 0 || forecast.BytesWith(blocks) <= memory);
    EXPECT_GT(forecast.BytesWith(blocks + 1), memory);
  }
}

// A context cannot be longer than the KV memory, and records of it are written as it grows.
TEST(MemoryForecast, AttentionTakesWhatTheArenaLetsIt) {
  const MemoryForecast forecast = ForecastMemory(Shape(), {.threads = 2});
  const auto whole = static_cast<uint64_t>(forecast.attention.value);
  EXPECT_GT(whole, 0u);
  EXPECT_EQ(forecast.context_blocks, 8192u / 16);
  EXPECT_EQ(forecast.AttentionBytes(0), 0u);
  EXPECT_EQ(forecast.AttentionBytes(256), whole / 2);
  EXPECT_EQ(forecast.AttentionBytes(512), whole);
  EXPECT_EQ(forecast.AttentionBytes(100000), whole);
}

TEST(MemoryForecast, MoreOfAnythingTakesMore) {
  const ServerSetting small{.threads = 1, .context_tokens = 2048, .max_sequences = 4};
  const uint64_t least = ForecastMemory(Shape(), small).fixed_bytes();
  for (const ServerSetting& more :
       {ServerSetting{.threads = 8, .context_tokens = 2048, .max_sequences = 4},
        ServerSetting{.threads = 1, .context_tokens = 2048, .max_sequences = 512},
        ServerSetting{
            .threads = 1, .context_tokens = 2048, .max_sequences = 4, .disk_bytes = kGiB}}) {
    EXPECT_GT(ForecastMemory(Shape(), more).fixed_bytes(), least);
  }
  EXPECT_GT(ForecastMemory(Shape(), {.threads = 1, .context_tokens = 8192, .max_sequences = 4})
                .attention.value,
            ForecastMemory(Shape(), small).attention.value);
  EXPECT_GT(ForecastMemory(Shape(24), small).fixed_bytes(), least);
}

// What is counted is what a pass allocates, less what it never touches.
TEST(ForwardMemory, IsThatOfAPass) {
  for (const char* architecture : {"llama", "gemma3"}) {
    for (const uint32_t workers : {1u, 3u}) {
      const auto bytes = test::MakeTinyModel({.architecture = architecture, .vocab = 4000});
      WorkerPool pool(workers);
      auto file = std::make_shared<const GgufFile>(std::move(*GgufFile::Parse(bytes)));
      const auto model = std::move(*Model::Load(file, {}, pool));
      const KvShape kv = model->kv_shape(KvFormat::kF16);
      const HugeBuffer arena = std::move(*HugeBuffer::Allocate(kv.block_bytes()));
      const ForwardLimits limits{.max_tokens = 512, .max_logit_rows = 64, .max_context = 1024};
      const ForwardPass pass(*model, {.base = arena.data(), .shape = kv, .num_blocks = 1}, limits,
                             pool);
      const ForwardMemory forecast = ForwardMemoryOf(model->config(), limits, workers, true);
      const auto counted = static_cast<double>(forecast.rows_bytes + forecast.logits_bytes);
      const auto taken = static_cast<double>(pass.buffer_bytes());
      EXPECT_GE(counted, 0.95 * taken);
      EXPECT_LE(counted, taken + (workers + 1) * 2.0 * kMiB);  // whole pages
    }
  }
}

}  // namespace
}  // namespace quire
