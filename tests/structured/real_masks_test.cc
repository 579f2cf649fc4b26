// Masks over the whole vocabulary of the default model, against the naive reference: every one of
// its 49,152 tokens through the automaton. Skipped, saying so, without the model.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "engine/token_trie_of.h"
#include "gguf/gguf_file.h"
#include "grammar/grammar.h"
#include "grammar/source/ebnf.h"
#include "grammar/source/json_schema.h"
#include "grammar/source/regex.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

constexpr uint32_t kStepsOfEach = 12;  // of one answer; each tries the whole vocabulary

std::string FindModel() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string base = cache != nullptr ? cache : std::string(home ? home : "") + "/.cache";
  for (const std::string& folder :
       {std::string(QUIRE_SOURCE_DIR "/models"), base + "/quire/models"}) {
    const std::string path = folder + "/smollm2-135m.gguf";
    if (std::filesystem::exists(path)) return path;
  }
  return {};
}

using Make = std::function<Result<Part>(Parts&)>;

Make Schema(const char* text) {
  return [text](Parts& parts) { return AddJsonSchema(parts, nlohmann::ordered_json::parse(text)); };
}

Make Regex(const char* text) {
  return [text](Parts& parts) { return AddRegex(parts, text, RegexUse::kWhole); };
}

Make Ebnf(const char* text) {
  return [text](Parts& parts) { return AddEbnf(parts, text); };
}

const std::pair<const char*, Make> kForms[] = {
    {"a tool's arguments",
     Schema(R"({"type": "object", "additionalProperties": false, "required": ["city", "days"],
     "properties": {"city": {"type": "string", "maxLength": 20}, "days": {"type": "integer",
     "minimum": 1, "maximum": 14}, "tags": {"type": "array", "items": {"enum": ["a", "ab", "é"]}}}})")},
    {"any object", [](Parts& parts) { return AddJsonObject(parts); }},
    {"numbers", Schema(R"({"type": "array", "items": {"type": "number", "minimum": -12.5,
     "exclusiveMaximum": 1e4}})")},
    {"formats", Schema(R"({"anyOf": [{"type": "string", "format": "date-time"},
     {"type": "string", "format": "email"}, {"type": "string", "format": "uuid"}]})")},
    {"a recursive schema", Schema(R"({"$defs": {"n": {"type": "object", "required": ["next"],
     "properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/n"}]}}}},
     "$ref": "#/$defs/n"})")},
    {"text beyond ASCII", Regex("([\\u4e00-\\u9fff]|é|[^\\x00-\\x7f]|[a-f ]){5,40}")},
    {"a counted pattern", Regex("(ab?c{2,4}[^xyz\\n]){3}\\d+(\\.\\d\\d)?")},
    {"sums", Ebnf("root ::= term ((\" + \" | \" - \") term)*\n"
                  "term ::= [0-9]+ | \"(\" root \")\" | \"sum\" root")},
};

class RealMasks : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = FindModel();
    if (path.empty()) GTEST_SKIP() << "smollm2-135m.gguf is not in models/ or the cache";
    const auto file = GgufFile::Open(path);
    ASSERT_TRUE(file) << file.error().message;
    trie_ = TokenTrieOf(**Tokenizer::Create(*file));
  }

  // The tokens that the mask allows, each compared with what the automaton takes.
  std::vector<TokenId> Check(const GrammarState& state) const {
    std::vector<uint64_t> mask(trie_->num_words());
    state.FillMask(mask);
    std::vector<TokenId> allowed;
    for (uint32_t i = 0; i < trie_->vocab_size(); ++i) {
      const auto token = static_cast<TokenId>(i);
      const bool masked = (mask[i / 64] >> i % 64 & 1) != 0;
      GrammarState copy = state;
      const bool taken = trie_->IsEnd(token) ? state.may_end() : copy.Advance(token);
      EXPECT_EQ(masked, taken) << "token " << token;
      if (masked && !trie_->IsEnd(token)) allowed.push_back(token);
    }
    return allowed;
  }

  std::shared_ptr<const TokenTrie> trie_;
};

TEST_F(RealMasks, AreThoseOfEveryTokenTried) {
  std::mt19937 random(11);
  for (const auto& [name, make] : kForms) {
    SCOPED_TRACE(name);
    Parts parts;
    const auto root = make(parts);
    ASSERT_TRUE(root) << root.error().message;
    const auto grammar = Grammar::Compile(parts, *root, trie_);
    ASSERT_TRUE(grammar) << grammar.error().message;
    GrammarState state(*grammar);
    for (uint32_t step = 0; step < kStepsOfEach && !state.finished(); ++step) {
      const std::vector<TokenId> allowed = Check(state);
      ASSERT_TRUE(!allowed.empty() || state.may_end()) << "a dead end";
      if (allowed.empty()) break;
      ASSERT_TRUE(state.Advance(allowed[random() % allowed.size()]));
    }
  }
}

}  // namespace
}  // namespace quire
