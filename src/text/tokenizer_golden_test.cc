// Token ids, texts and pieces of real models, equal to the reference in every case.
#include <gtest/gtest.h>
#include <sodium.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "text/detokenizer.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace quire {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

struct Model {
  const char* golden;  // of golden/tokenizers/
  const char* file;    // of the models' folder
};

std::string PathOf(const std::string& file) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const fs::path base = cache ? fs::path(cache) : fs::path(home ? home : "/") / ".cache";
  for (const fs::path& folder : {base / "quire/models", fs::path(QUIRE_SOURCE_DIR "/models")}) {
    if (fs::exists(folder / file)) return folder / file;
  }
  return "";
}

std::string Unhex(const std::string& hex) {
  std::string bytes(hex.size() / 2, 0);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }
  return bytes;
}

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const unsigned char byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

std::string Expected(const Json& item, const std::string& field, const std::string& otherwise) {
  if (item.contains(field)) return item[field].get<std::string>();
  if (item.contains(field + "_hex")) return Unhex(item[field + "_hex"].get<std::string>());
  return otherwise;
}

std::string PiecesHash(const Tokenizer& tokenizer) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (TokenId id = 0; id < static_cast<TokenId>(tokenizer.vocab_size()); ++id) {
    const std::string_view piece = tokenizer.Piece(id);
    const uint32_t size = static_cast<uint32_t>(piece.size());
    const unsigned char header[] = {
        static_cast<unsigned char>(size), static_cast<unsigned char>(size >> 8),
        static_cast<unsigned char>(size >> 16), static_cast<unsigned char>(size >> 24)};
    crypto_hash_sha256_update(&state, header, 4);
    crypto_hash_sha256_update(&state, reinterpret_cast<const unsigned char*>(piece.data()), size);
  }
  unsigned char digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256_final(&state, digest);
  return Hex({reinterpret_cast<const char*>(digest), sizeof digest});
}

void CheckMeta(const Tokenizer& tokenizer, const Json& meta) {
  EXPECT_EQ(tokenizer.vocab_size(), meta["n_vocab"]);
  EXPECT_EQ(tokenizer.bos(), meta["bos_id"]);
  EXPECT_EQ(tokenizer.eos(), meta["eos_id"]);
  EXPECT_EQ(tokenizer.adds_bos(), meta["add_bos"]);
  EXPECT_EQ(tokenizer.end_of_generation(), meta["llama_cpp_eog_ids"].get<std::vector<TokenId>>());
  EXPECT_EQ(PiecesHash(tokenizer), meta["all_pieces_sha256"]);
}

void CheckCase(const Tokenizer& tokenizer, const Json& item) {
  const std::string input = item["s"];
  const auto ids = tokenizer.Encode(
      input, {.add_special = item["add_special"], .parse_special = item["parse_special"]});
  ASSERT_EQ(ids, item["ids"].get<std::vector<TokenId>>()) << item.dump();
  const std::string text = Expected(item, "text", "");
  EXPECT_EQ(tokenizer.Decode(ids, true), text) << item.dump();
  EXPECT_EQ(tokenizer.Decode(ids, false), Expected(item, "text_no_special", text)) << item.dump();
  if (item.contains("pieces_hex")) {
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(Hex(tokenizer.Piece(ids[i])), item["pieces_hex"][i]) << item.dump();
    }
  }
  Detokenizer stream(tokenizer, true);
  std::string streamed;
  for (const TokenId id : ids) {
    streamed += stream.Append(id);
    EXPECT_TRUE(IsValidUtf8(streamed)) << item.dump();
  }
  streamed += stream.Finish();
  if (IsValidUtf8(text)) {
    EXPECT_EQ(streamed, text) << item.dump();
  }
}

class GoldenTokenizer : public testing::TestWithParam<Model> {};

TEST_P(GoldenTokenizer, EqualsReferenceInEveryCase) {
  const std::string name = std::string(GetParam().golden) + ".json";
  fs::path golden = fs::path(QUIRE_SOURCE_DIR "/../shared/golden/tokenizers") / name;
  if (!fs::exists(golden)) golden = fs::path(QUIRE_SOURCE_DIR "/tests/golden/tokenizers") / name;
  if (!fs::exists(golden)) GTEST_SKIP() << "no reference data: " << golden;
  const std::string path = PathOf(GetParam().file);
  if (path.empty()) {
    GTEST_SKIP() << GetParam().file << " is not in the models' folder; fetch it to run this test";
  }
  const auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  const auto tokenizer = Tokenizer::Create(*file);
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  const Json data = Json::parse(std::ifstream(golden));
  ASSERT_GE(data["cases"].size(), 200u);
  CheckMeta(**tokenizer, data["meta"]);
  for (const Json& item : data["cases"]) CheckCase(**tokenizer, item);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenTokenizer,
                         testing::Values(Model{"smollm2-135m-instruct-q4_1", "smollm2-135m.gguf"},
                                         Model{"gemma3-270m-q4_k_m", "gemma3-270m.gguf"},
                                         Model{"qwen2.5-coder-0.5b", "qwen2.5-coder-0.5b.gguf"}),
                         [](const auto& tested) {
                           std::string name = tested.param.file;
                           std::erase_if(name, [](char c) {
                             return !std::isalnum(static_cast<unsigned char>(c));
                           });
                           return name;
                         });

}  // namespace
}  // namespace quire
