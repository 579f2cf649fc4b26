#include "model/config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/gguf_writer.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

using test::GgufWriter;

// The least a llama file needs for its configuration, with one pair changed or left out.
struct Metadata {
  std::string architecture = "llama";
  std::vector<std::pair<std::string, uint32_t>> uints = {
      {"block_count", 2},          {"embedding_length", 64},       {"feed_forward_length", 128},
      {"attention.head_count", 4}, {"attention.head_count_kv", 2}, {"context_length", 256}};
  std::vector<std::pair<std::string, float>> floats = {{"attention.layer_norm_rms_epsilon", 1e-5f}};
  std::vector<std::pair<std::string, std::string>> strings = {};
  uint64_t embedding_columns = 64;

  Metadata& Set(const std::string& key, uint32_t value) {
    std::erase_if(uints, [&](const auto& pair) { return pair.first == key; });
    uints.emplace_back(key, value);
    return *this;
  }
  Metadata& Drop(const std::string& key) {
    std::erase_if(uints, [&](const auto& pair) { return pair.first == key; });
    std::erase_if(floats, [&](const auto& pair) { return pair.first == key; });
    return *this;
  }
  Metadata& SetFloat(const std::string& key, float value) {
    Drop(key);
    floats.emplace_back(key, value);
    return *this;
  }
  Metadata& SetString(const std::string& key, const std::string& value) {
    strings.emplace_back(key, value);
    return *this;
  }

  Result<ModelConfig> Read() const {
    GgufWriter writer;
    writer.AddString("general.architecture", architecture);
    const std::string prefix = architecture + ".";
    for (const auto& [key, value] : uints) writer.AddUint(prefix + key, value);
    for (const auto& [key, value] : floats) writer.AddFloat(prefix + key, value);
    for (const auto& [key, value] : strings) writer.AddString(prefix + key, value);
    writer.AddTensor({.name = "token_embd.weight",
                      .type_id = 0,
                      .shape = {embedding_columns, 8},
                      .data = std::vector<std::byte>(embedding_columns * 8 * 4)});
    const std::vector<std::byte> bytes = writer.Finish();
    Result<GgufFile> file = GgufFile::Parse(bytes);
    EXPECT_TRUE(file.has_value()) << file.error().message;
    return ReadModelConfig(*file);
  }
};

void ExpectRefused(const Metadata& metadata, ErrorCode code, const std::string& part) {
  const Result<ModelConfig> config = metadata.Read();
  ASSERT_FALSE(config.has_value()) << part;
  EXPECT_EQ(config.error().code, code) << config.error().message;
  EXPECT_NE(config.error().message.find(part), std::string::npos)
      << "'" << part << "' is not in: " << config.error().message;
}

TEST(ModelConfigTest, FillsInWhatFilesLeaveOut) {
  const Result<ModelConfig> config = Metadata().Read();
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->head_dim, 16u);
  EXPECT_EQ(config->vocab_size, 8u);
  EXPECT_EQ(config->rope.dims, 16u);
  EXPECT_EQ(config->rope.kind, RopeKind::kAdjacent);
  EXPECT_FLOAT_EQ(config->attention_scale, 0.25f);
  EXPECT_EQ(config->window, 0u);
  EXPECT_EQ(config->kv_values_per_token(), 2u * 2 * 2 * 16);
  EXPECT_NEAR(config->rope.inverse_frequency[4], 1e-2, 1e-16);
}

TEST(ModelConfigTest, KnowsWhatGemmaFilesDoNotSay) {
  Metadata metadata{.architecture = "gemma3"};
  metadata.Set("block_count", 7).Set("attention.sliding_window", 512);
  metadata.SetFloat("rope.freq_base", 1e6f);
  const Result<ModelConfig> config = metadata.Read();
  ASSERT_TRUE(config.has_value()) << config.error().message;
  const std::vector<bool> windowed = {true, true, true, true, true, false, true};
  EXPECT_EQ(config->windowed, windowed);
  EXPECT_EQ(config->window_of(0), 512u);
  EXPECT_EQ(config->window_of(5), 0u);
  EXPECT_NEAR(config->rope.inverse_frequency[4], 1e-3, 1e-15);
  EXPECT_NEAR(config->local_rope.inverse_frequency[4], 1e-2, 1e-15);
  EXPECT_FLOAT_EQ(config->embedding_scale, 8.0f);
  EXPECT_EQ(config->gate, GateKind::kGeluTanh);
}

TEST(ModelConfigTest, TheLargestGemmaScalesByItsWidthPerHead) {
  Metadata metadata{.architecture = "gemma3", .embedding_columns = 128};
  metadata.Set("block_count", 62).Set("attention.sliding_window", 512);
  metadata.Set("embedding_length", 128).Set("attention.key_length", 16);
  const Result<ModelConfig> config = metadata.Read();
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_FLOAT_EQ(config->attention_scale, 1 / std::sqrt(32.0f));
}

TEST(ModelConfigTest, RefusesArchitecturesByName) {
  Metadata metadata{.architecture = "mamba"};
  ExpectRefused(metadata, ErrorCode::kUnsupported, "mamba");
  ExpectRefused(metadata, ErrorCode::kUnsupported, "llama, qwen2, qwen3, gemma3");
}

TEST(ModelConfigTest, RefusesWhatItWouldRunWrongly) {
  const ErrorCode unsupported = ErrorCode::kUnsupported;
  ExpectRefused(Metadata().Set("expert_count", 8), unsupported, "8 experts");
  ExpectRefused(Metadata().SetFloat("final_logit_softcapping", 30), unsupported, "soft cap");
  ExpectRefused(Metadata().SetString("rope.scaling.type", "longrope"), unsupported, "longrope");
  ExpectRefused(Metadata().Set("attention.key_length", 24), unsupported, "24 dimensions");
  ExpectRefused(Metadata().Set("attention.key_length", 512), unsupported, "512 dimensions");
  ExpectRefused(Metadata().Set("attention.value_length", 32), unsupported, "needs them equal");
}

TEST(ModelConfigTest, NamesEachMissingKey) {
  for (const char* key :
       {"block_count", "embedding_length", "feed_forward_length", "attention.head_count",
        "context_length", "attention.layer_norm_rms_epsilon"}) {
    ExpectRefused(Metadata().Drop(key), ErrorCode::kCorrupt, std::string("llama.") + key);
  }
}

TEST(ModelConfigTest, RefusesContradictionsAndHugeValues) {
  const ErrorCode corrupt = ErrorCode::kCorrupt;
  ExpectRefused(Metadata().Set("attention.head_count_kv", 3), corrupt, "share 3");
  ExpectRefused(Metadata().Set("attention.head_count", 0), corrupt, "head_count");
  ExpectRefused(Metadata().Set("attention.head_count", 6), corrupt, "no multiple");
  ExpectRefused(Metadata().Set("embedding_length", 128), corrupt, "token_embd.weight");
  ExpectRefused(Metadata().Set("rope.dimension_count", 18), corrupt, "rope.dimension_count");
  ExpectRefused(Metadata().Set("rope.dimension_count", 7), corrupt, "rope.dimension_count");
  for (const char* key :
       {"block_count", "embedding_length", "feed_forward_length", "attention.head_count",
        "attention.head_count_kv", "context_length", "attention.key_length"}) {
    ExpectRefused(Metadata().Set(key, UINT32_MAX), corrupt, key);
  }
  Metadata fast;
  fast.SetString("rope.scaling.type", "linear");
  ExpectRefused(fast.SetFloat("rope.scaling.factor", 0.01f), corrupt, "a frequency of 1");
  ExpectRefused(Metadata().SetFloat("rope.freq_base", 0), corrupt, "freq_base");
  ExpectRefused(Metadata().SetFloat("rope.freq_base", std::nanf("")), corrupt, "freq_base");
  ExpectRefused(Metadata().SetFloat("attention.layer_norm_rms_epsilon", -1), corrupt, "epsilon");
  ExpectRefused(Metadata().Drop("context_length").SetFloat("context_length", 4), corrupt,
                "not a whole number");
}

TEST(ModelConfigTest, KeysOfPartOfAHeadMayBeRotated) {
  const Result<ModelConfig> config = Metadata().Set("rope.dimension_count", 8).Read();
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->rope.dims, 8u);
  EXPECT_EQ(config->rope.inverse_frequency.size(), 4u);
}

TEST(ModelConfigTest, ReadsEveryTinyArchitecture) {
  for (const char* name : {"llama", "qwen2", "qwen3", "gemma3"}) {
    const auto bytes = test::MakeTinyModel({.architecture = name});
    Result<GgufFile> file = GgufFile::Parse(bytes);
    ASSERT_TRUE(file.has_value());
    EXPECT_TRUE(ReadModelConfig(*file).has_value()) << name;
  }
}

}  // namespace
}  // namespace quire
