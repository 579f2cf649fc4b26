#include "gguf/gguf_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/support/gguf_writer.h"

namespace quire {
namespace {

using test::ByteSink;
using test::GgufWriter;

std::vector<std::byte> Bytes(size_t count) { return std::vector<std::byte>(count, std::byte{7}); }

std::vector<std::byte> Parsable() {
  GgufWriter writer;
  writer.AddString("general.architecture", "llama");
  writer.AddUint("llama.block_count", 30);
  writer.AddFloat("llama.rope.freq_base", 1e5f);
  writer.AddBool("tokenizer.ggml.add_bos_token", true);
  writer.AddStrings("tokenizer.ggml.tokens", std::vector<std::string>{"a", "", "\xF1\x01", "d"});
  writer.AddFloats("scores", std::vector<float>{0.5f, -1.0f});
  writer.AddInts("kinds", std::vector<int32_t>{1, -3, 6});
  ByteSink negative;
  negative.U32(static_cast<uint32_t>(-5));
  writer.AddRaw("negative", static_cast<uint32_t>(ValueKind::kInt32), negative.bytes());
  ByteSink huge;
  huge.U64(UINT64_MAX);
  writer.AddRaw("huge", static_cast<uint32_t>(ValueKind::kUint64), huge.bytes());
  ByteSink half;
  half.U64(0x3FE0000000000000);  // 0.5 as float64
  writer.AddRaw("half", static_cast<uint32_t>(ValueKind::kFloat64), half.bytes());
  writer.AddTensor({"norm", 0, {5}, Bytes(20)});
  writer.AddTensor({"matrix", 8, {64, 3}, Bytes(2 * 34 * 3)});
  writer.AddTensor({"cube", 1, {2, 3, 4, 5}, Bytes(240)});
  return writer.Finish();
}

TEST(GgufFile, ReadsEveryKindOfValue) {
  const auto bytes = Parsable();
  const auto file = GgufFile::Parse(bytes);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(file->GetString("general.architecture"), "llama");
  EXPECT_EQ(file->GetUint("llama.block_count"), 30u);
  EXPECT_EQ(file->GetInt("llama.block_count"), 30);
  EXPECT_EQ(file->GetFloat("llama.rope.freq_base"), 1e5);
  EXPECT_EQ(file->GetFloat("half"), 0.5);
  EXPECT_EQ(file->GetBool("tokenizer.ggml.add_bos_token"), true);
  EXPECT_EQ(file->GetInt("negative"), -5);
  EXPECT_EQ(file->GetUint("huge"), UINT64_MAX);
  using namespace std::string_view_literals;
  EXPECT_EQ(file->GetStrings("tokenizer.ggml.tokens"),
            (std::vector<std::string_view>{"a", "", "\xF1\x01"sv, "d"}));
  EXPECT_EQ(file->GetFloats("scores"), (std::vector<float>{0.5f, -1.0f}));
  EXPECT_EQ(file->GetInts("kinds"), (std::vector<int64_t>{1, -3, 6}));
}

TEST(GgufFile, AnotherKindOrNoKeyIsNoValue) {
  const auto bytes = Parsable();
  const auto file = GgufFile::Parse(bytes);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_TRUE(file->Has("huge"));
  EXPECT_FALSE(file->Has("absent"));
  EXPECT_EQ(file->GetUint("absent"), std::nullopt);
  EXPECT_EQ(file->GetUint("negative"), std::nullopt);
  EXPECT_EQ(file->GetInt("huge"), std::nullopt);
  EXPECT_EQ(file->GetUint("general.architecture"), std::nullopt);
  EXPECT_EQ(file->GetUint("tokenizer.ggml.add_bos_token"), std::nullopt);
  EXPECT_EQ(file->GetString("llama.block_count"), std::nullopt);
  EXPECT_EQ(file->GetFloat("llama.block_count"), std::nullopt);
  EXPECT_EQ(file->GetBool("llama.block_count"), std::nullopt);
  EXPECT_EQ(file->GetInts("scores"), std::nullopt);
  EXPECT_EQ(file->GetFloats("kinds"), std::nullopt);
  EXPECT_EQ(file->GetStrings("kinds"), std::nullopt);
}

TEST(GgufFile, DescribesItselfInFileOrder) {
  const auto bytes = Parsable();
  const auto file = GgufFile::Parse(bytes);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  const auto lines = file->DescribeMetadata();
  ASSERT_EQ(lines.size(), 10u);
  EXPECT_EQ(lines[0].key, "general.architecture");
  EXPECT_EQ(lines[0].value, "'llama'");
  EXPECT_EQ(lines[4].kind, "array of string");
  EXPECT_EQ(lines[4].value, "[4 strings]");
  EXPECT_EQ(lines[6].value, "[1, -3, 6]");
}

TEST(GgufFile, FindsTensorsAndTheirBytes) {
  const auto bytes = Parsable();
  auto file = GgufFile::Parse(bytes);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  const GgufFile moved = std::move(*file);
  ASSERT_EQ(moved.tensors().size(), 3u);
  const TensorInfo* matrix = moved.FindTensor("matrix");
  ASSERT_NE(matrix, nullptr);
  EXPECT_EQ(matrix->columns(), 64u);
  EXPECT_EQ(matrix->rows(), 3u);
  EXPECT_EQ(matrix->type, TensorType::kQ8_0);
  EXPECT_EQ(matrix->data.size(), 204u);
  EXPECT_EQ(matrix->data[203], std::byte{7});
  EXPECT_EQ(moved.FindTensor("cube")->rows(), 60u);
  EXPECT_EQ(moved.FindTensor("absent"), nullptr);
  EXPECT_EQ(moved.file_bytes(), bytes.size());
}

TEST(GgufFile, ReadsVersionTwoAndVocabularyOnlyFiles) {
  GgufWriter writer;
  writer.header().version = 2;
  writer.AddString("tokenizer.ggml.model", "gpt2");
  auto bytes = writer.Finish();
  const auto file = GgufFile::Parse(bytes);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_TRUE(file->tensors().empty());
  // Nothing needs the padding behind the last pair.
  bytes.resize(24 + 8 + 20 + 4 + 8 + 4);
  EXPECT_TRUE(GgufFile::Parse(bytes).has_value());
}

TEST(GgufFile, HonoursTheAlignment) {
  GgufWriter writer;
  writer.header().alignment = 4096;
  writer.AddUint("general.alignment", 4096);
  writer.AddTensor({"a", 0, {1}, Bytes(4)});
  writer.AddTensor({"b", 0, {1}, Bytes(4)});
  const auto bytes = writer.Finish();
  const auto file = GgufFile::Parse(bytes);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(file->FindTensor("b")->data.data() - bytes.data(), 8192);
}

std::string ModelPath(const std::string& name) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::filesystem::path base = cache != nullptr && *cache != '\0'
                                         ? std::filesystem::path(cache)
                                         : std::filesystem::path(home ? home : "/") / ".cache";
  const auto cached = base / "quire/models" / (name + ".gguf");
  if (std::filesystem::exists(cached)) return cached.string();
  return QUIRE_SOURCE_DIR "/models/" + name + ".gguf";
}

struct RealModel {
  const char* name;
  const char* architecture;
  size_t tensors;
  size_t tokens;
};

TEST(GgufFile, ReadsRealModels) {
  int opened = 0;
  for (const RealModel& model : {RealModel{"smollm2-135m", "llama", 272, 49152},
                                 RealModel{"gemma3-270m", "gemma3", 236, 262144},
                                 RealModel{"qwen2.5-coder-0.5b", "qwen2", 291, 151936},
                                 RealModel{"qwen2.5-coder-1.5b", "qwen2", 339, 151936}}) {
    const std::string path = ModelPath(model.name);
    if (!std::filesystem::exists(path)) continue;
    const auto file = GgufFile::Open(path);
    ASSERT_TRUE(file.has_value()) << file.error().message;
    EXPECT_EQ(file->GetString("general.architecture"), model.architecture);
    EXPECT_EQ(file->tensors().size(), model.tensors);
    EXPECT_EQ(file->GetStrings("tokenizer.ggml.tokens")->size(), model.tokens);
    EXPECT_EQ(file->file_bytes(), std::filesystem::file_size(path));
    ++opened;
  }
  if (opened == 0) GTEST_SKIP() << "no real model is here: tools/fetch_model smollm2-135m";
}

TEST(TensorType, KnowsSizesAndNames) {
  EXPECT_EQ(Info(TensorType::kQ4_K).block_bytes, 144u);
  EXPECT_EQ(FindTensorType(30)->name, "BF16");
  EXPECT_EQ(FindTensorType(16), nullptr);
  EXPECT_EQ(TensorTypeName(16), "IQ2_XXS");
  EXPECT_EQ(TensorTypeName(39), "MXFP4");
  EXPECT_EQ(TensorTypeName(99), "type 99");
  for (uint32_t id = 0; id < 100; ++id) {
    const TensorTypeInfo* info = FindTensorType(id);
    if (info == nullptr) continue;
    EXPECT_EQ(TensorTypeName(id), info->name);
    EXPECT_EQ(info->block_bytes * 8 / info->block_values > 0, true);
  }
}

}  // namespace
}  // namespace quire
