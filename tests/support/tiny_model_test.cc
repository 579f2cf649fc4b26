#include "tests/support/tiny_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "gguf/gguf_file.h"
#include "tests/support/random_weights.h"

namespace quire::test {
namespace {

uint64_t Digest(std::span<const std::byte> bytes) {
  return SeedFor(0, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

constexpr TensorType kAllTypes[] = {TensorType::kF32,  TensorType::kF16,    TensorType::kBF16,
                                    TensorType::kQ4_0, TensorType::kQ4_1,   TensorType::kQ5_0,
                                    TensorType::kQ5_1, TensorType::kQ8_0,   TensorType::kQ2_K,
                                    TensorType::kQ3_K, TensorType::kQ4_K,   TensorType::kQ5_K,
                                    TensorType::kQ6_K, TensorType::kIQ4_NL, TensorType::kIQ4_XS};

TEST(TinyModel, EveryArchitectureAndTypeOpens) {
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma3"}) {
    for (const TensorType type : kAllTypes) {
      const auto bytes = MakeTinyModel({.architecture = architecture, .type = type});
      const auto file = GgufFile::Parse(bytes);
      ASSERT_TRUE(file.has_value()) << file.error().message;
      EXPECT_EQ(file->GetString("general.architecture"), architecture);
      ASSERT_NE(file->FindTensor("blk.1.ffn_down.weight"), nullptr);
      EXPECT_EQ(file->FindTensor("blk.1.ffn_down.weight")->type, type);
      EXPECT_EQ(file->FindTensor("token_embd.weight")->rows(),
                file->GetStrings("tokenizer.ggml.tokens")->size());
    }
  }
}

TEST(TinyModel, OptionsReachTheFile) {
  const auto bytes = MakeTinyModel({.architecture = "gemma3",
                                    .layers = 3,
                                    .heads = 2,
                                    .kv_heads = 1,
                                    .head_dim = 80,
                                    .vocab = 1000,
                                    .type = TensorType::kQ4_K,
                                    .embedding_type = TensorType::kQ6_K,
                                    .tied = false,
                                    .biases = true,
                                    .sliding_window = 17,
                                    .rope = TinyRope::kYarn});
  const auto file = GgufFile::Parse(bytes);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(file->GetUint("gemma3.attention.sliding_window"), 17u);
  EXPECT_EQ(file->GetString("gemma3.rope.scaling.type"), "yarn");
  EXPECT_EQ(file->GetUint("gemma3.attention.key_length"), 80u);
  EXPECT_EQ(file->FindTensor("output.weight")->rows(), 1000u);
  EXPECT_EQ(file->FindTensor("output.weight")->type, TensorType::kQ6_K);
  EXPECT_EQ(file->FindTensor("blk.2.attn_k.bias")->columns(), 80u);
  // 160 is no multiple of 256: the row falls back.
  EXPECT_EQ(file->FindTensor("blk.0.attn_output.weight")->type, TensorType::kQ8_0);
  EXPECT_EQ(file->FindTensor("blk.0.attn_q.weight")->type, TensorType::kQ4_K);
  EXPECT_NE(file->FindTensor("blk.0.post_ffw_norm.weight"), nullptr);
}

TEST(TinyModel, LlamaThreeRopeIsATensorOfDivisors) {
  const auto bytes = MakeTinyModel({.rope = TinyRope::kLlama3});
  const auto file = GgufFile::Parse(bytes);
  ASSERT_TRUE(file.has_value());
  const TensorInfo* divisors = file->FindTensor("rope_freqs.weight");
  ASSERT_NE(divisors, nullptr);
  float first = 0;
  float last = 0;
  std::memcpy(&first, divisors->data.data(), 4);
  std::memcpy(&last, divisors->data.data() + divisors->data.size() - 4, 4);
  EXPECT_EQ(first, 1.0f);
  EXPECT_EQ(last, 8.0f);
}

// The constants hold on every machine: another compiler, libc or CPU that changes one is found
// here.
TEST(TinyModel, TheSameBytesEverywhere) {
  const auto one = MakeTinyModel({.seed = 7});
  EXPECT_EQ(one, MakeTinyModel({.seed = 7}));
  EXPECT_NE(one, MakeTinyModel({.seed = 8}));
  uint64_t all = 0;
  for (const TensorType type : kAllTypes) {
    all = all * 31 + Digest(MakeTinyModel({.architecture = "qwen2", .layers = 1, .type = type}));
  }
  EXPECT_EQ(all, 4856427281876856707u);
}

float FromHalf(uint16_t half) {
  const float magnitude =
      (half & 0x7C00) == 0
          ? std::ldexp(static_cast<float>(half & 0x3FF), -24)
          : std::ldexp(static_cast<float>((half & 0x3FF) | 0x400), (half >> 10 & 31) - 25);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(RandomWeights, HalvesRoundToNearestEven) {
  for (uint32_t half = 0; half < 0x7C00; ++half) {  // every finite half comes back
    const float value = FromHalf(static_cast<uint16_t>(half));
    ASSERT_EQ(HalfFromFloat(value), half);
    ASSERT_EQ(HalfFromFloat(-value), half | 0x8000);
    if (half + 1 == 0x7C00) break;
    // Halfway to the next goes to the even one.
    const float middle = (value + FromHalf(static_cast<uint16_t>(half + 1))) / 2;
    ASSERT_EQ(HalfFromFloat(middle), half + (half & 1));
  }
}

TEST(RandomWeights, HaveTheDeviationAskedFor) {
  for (const TensorType type : {TensorType::kF32, TensorType::kQ8_0, TensorType::kQ4_0}) {
    Rng rng(3);
    constexpr int kValues = 1 << 16;
    const auto bytes = RandomWeights(type, kValues, 0.0625f, rng);
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kValues; ++i) {
      double value = 0;
      const auto* block = reinterpret_cast<const uint8_t*>(bytes.data()) +
                          i / Info(type).block_values * Info(type).block_bytes;
      const double scale = FromHalf(static_cast<uint16_t>(block[0] | block[1] << 8));
      if (type == TensorType::kF32) {
        float number = 0;
        std::memcpy(&number, block, 4);
        value = number;
      } else if (type == TensorType::kQ8_0) {
        value = scale * static_cast<int8_t>(block[2 + i % 32]);
      } else {
        value = scale * ((block[2 + i % 16] >> (i % 32 / 16 * 4) & 15) - 8);
      }
      sum += value;
      squares += value * value;
    }
    EXPECT_NEAR(sum / kValues, 0.0, 0.002) << Info(type).name;
    EXPECT_NEAR(std::sqrt(squares / kValues), 0.0625, 0.006) << Info(type).name;
  }
}

}  // namespace
}  // namespace quire::test
