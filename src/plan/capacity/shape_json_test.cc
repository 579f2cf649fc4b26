#include "plan/capacity/shape_json.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "kernels/matmul.h"

namespace quire {
namespace {

constexpr const char* kLlama =
    R"({"name": "Llama 3.1 8B", "layers": 32, "width": 4096, "ffn_width": 14336,
        "query_heads": 32, "kv_heads": 8, "vocabulary": 128256, "context": 131072,
        "weights": "Q4_K"})";

// The same as it is published.
constexpr const char* kPublished =
    R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096,
        "intermediate_size": 14336, "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
        "rope_scaling": {"factor": 8.0}, "tie_word_embeddings": false, "torch_dtype": "bfloat16"})";

TEST(ShapeJson, AWellKnownModelHasItsWellKnownSizes) {
  const auto shape = ParseModelShape(kLlama);
  ASSERT_TRUE(shape) << shape.error().message;
  EXPECT_EQ(shape->config.head_dim, 128u);
  // 2 x 32 layers x 8 heads x 128 x 2 bytes
  EXPECT_EQ(shape->kv(KvFormat::kF16).block_bytes() / kBlockTokens, 131072u);
  uint64_t parameters = uint64_t{128256} * 4096;  // the embedding, which is not repacked
  for (const ShapeTensor& tensor : shape->tensors) {
    parameters += uint64_t{tensor.rows} * tensor.columns;
  }
  EXPECT_EQ(parameters, 8'030'261'248u);
  EXPECT_EQ(shape->tensors.front().name, "attn_norm.weight");
}

TEST(ShapeJson, APublishedConfigIsTheSameModel) {
  const auto own = ParseModelShape(kLlama);
  const auto published = ParseModelShape(kPublished);
  ASSERT_TRUE(published) << published.error().message;
  EXPECT_EQ(own->Key(), published->Key());
  EXPECT_EQ(own->embedding_bytes, published->embedding_bytes);
}

TEST(ShapeJson, DefaultsAreOnesOfTheFamily) {
  const auto shape = ParseModelShape(
      R"({"layers": 12, "width": 640, "ffn_width": 2048, "query_heads": 4, "vocabulary": 1000,
          "context": 4096, "architecture": "gemma3", "window": 512, "head_dim": 256,
          "kv_heads": 1})");
  ASSERT_TRUE(shape) << shape.error().message;
  EXPECT_EQ(shape->num_windowed(), 10u);
  EXPECT_FALSE(shape->config.windowed[5]);
  EXPECT_FALSE(shape->config.windowed[11]);
  const auto plain = ParseModelShape(
      R"({"layers": 2, "width": 64, "ffn_width": 64, "query_heads": 4, "vocabulary": 1000,
          "context": 4096, "window": 512, "windowed_layers": 1})");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->config.kv_heads, 4u);
  EXPECT_EQ(plain->num_windowed(), 1u);
  // Blocks of 256 do not divide rows of 64: other types are used, as files do.
  for (const ShapeTensor& tensor : plain->tensors) {
    EXPECT_TRUE(!tensor.is_matrix() || tensor.type == TensorType::kQ8_0);
  }
}

std::string With(const std::string& field, const std::string& value) {
  std::string text = kLlama;
  const std::string name = "\"" + field + "\": ";
  const size_t at = text.find(name);
  if (at == std::string::npos) return text.insert(1, name + value + ", ");
  const size_t end = text.find_first_of(",}", at);
  return text.replace(at, end - at, name + value);
}

TEST(ShapeJson, WhatIsWrongIsNamed) {
  const std::pair<std::string, const char*> kWrong[] = {
      {With("layers", "0"), "layers"},
      {With("layers", "-1"), "layers"},
      {With("layers", "1e9"), "layers"},
      {With("layers", "\"32\""), "layers"},
      {With("layers", "2000"), "layers"},
      {With("layers", "null"), "layers"},
      {With("layers", "[[[[]]]]"), "layers"},
      {With("width", "4097"), "width"},
      {With("kv_heads", "5"), "kv_heads"},
      {With("kv_heads", "18446744073709551615"), "kv_heads"},
      {With("head_dim", "512"), "head_dim"},
      {With("weights", "\"Q9\""), "weights"},
      {With("weights", "4"), "weights"},
      {With("tied", "1"), "tied"},
      {With("windowed_layers", "33"), "windowed_layers"},
      {With("architecture", "\"mamba\""), "architecture"},
      {With("experts", "8"), "experts"},
      {With("kv_lora_rank", "512"), "kv_lora_rank"},
      {With("heads", "8"), "heads"},
  };
  for (const auto& [text, field] : kWrong) {
    const auto shape = ParseModelShape(text);
    ASSERT_FALSE(shape) << text;
    EXPECT_EQ(shape.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(shape.error().param, field) << shape.error().message;
    EXPECT_NE(shape.error().message.find(field), std::string::npos);
  }
}

TEST(ShapeJson, WhatIsNoObjectIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("7"), std::string("null"),
        std::string("\xff\xfe"), std::string(2 << 20, ' '),
        "{\"layers\": " + std::string(100000, '[') + std::string(100000, ']') + "}"}) {
    EXPECT_FALSE(ParseModelShape(text));
  }
}

}  // namespace
}  // namespace quire
