#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/gguf_writer.h"
#include "tests/support/tiny_vocab.h"
#include "text/detokenizer.h"
#include "text/utf8.h"

namespace quire {
namespace {

using Ids = std::vector<TokenId>;
using test::GgufWriter;

Result<std::unique_ptr<Tokenizer>> Create(const GgufWriter& writer) {
  const auto bytes = writer.Finish();
  const auto file = GgufFile::Parse(bytes);
  if (!file) return std::unexpected(file.error());
  return Tokenizer::Create(*file);
}

// A by-score vocabulary: three specials, all bytes, then `more` with falling scores.
struct Vocab {
  std::string model = "llama";
  std::string pre;
  std::vector<std::string> texts = {"<unk>", "<s>", "</s>"};
  std::vector<int32_t> types = {2, 3, 3};
  std::vector<float> scores = {0, 0, 0};
  std::vector<std::string> merges;
  bool space_prefix = false;

  Vocab& Add(const std::string& text, int32_t type = 1) {
    texts.push_back(text);
    types.push_back(type);
    scores.push_back(-static_cast<float>(texts.size()));
    return *this;
  }
  Vocab& AddBytes() {
    for (int i = 0; i < 256; ++i) {
      char text[8];
      std::snprintf(text, sizeof text, "<0x%02X>", i);
      Add(text, 6);
    }
    return *this;
  }
  TokenId Id(const std::string& text) const {
    return static_cast<TokenId>(std::find(texts.begin(), texts.end(), text) - texts.begin());
  }
  GgufWriter Writer() const {
    GgufWriter writer;
    writer.AddString("tokenizer.ggml.model", model);
    if (!pre.empty()) writer.AddString("tokenizer.ggml.pre", pre);
    writer.AddStrings("tokenizer.ggml.tokens", texts);
    writer.AddInts("tokenizer.ggml.token_type", types);
    if (model == "llama") writer.AddFloats("tokenizer.ggml.scores", scores);
    if (model == "gpt2") writer.AddStrings("tokenizer.ggml.merges", merges);
    if (model == "llama") writer.AddBool("tokenizer.ggml.add_space_prefix", space_prefix);
    return writer;
  }
};

std::unique_ptr<Tokenizer> Make(const GgufWriter& writer) {
  auto made = Create(writer);
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return made ? std::move(*made) : nullptr;
}

std::unique_ptr<Tokenizer> TinyBytes() {
  GgufWriter writer;
  test::AddByteLevelVocab(writer, 0);
  return Make(writer);
}

std::string RandomText(std::mt19937& rng, bool valid) {
  static const std::string parts[] = {
      "the", " and",       "ing",          "\n\n", "   ", "é",        "日本", "😀",
      "'s",  "<|im_end|>", "<|im_start|>", "1234", "\t",  "\xC2\x85", "Z"};
  std::string text;
  for (uint32_t n = rng() % 20; n > 0; --n) text += parts[rng() % std::size(parts)];
  if (!valid) {
    for (uint32_t n = rng() % 5; n > 0; --n) {
      text.insert(rng() % (text.size() + 1), 1, static_cast<char>(rng() % 256));
    }
  }
  return text;
}

TEST(Tokenizer, ByteLevelDecodesToWhatWasEncoded) {
  const auto tokenizer = TinyBytes();
  std::mt19937 rng(1);
  for (int round = 0; round < 3000; ++round) {
    const std::string text = RandomText(rng, round % 2 == 0);
    for (const bool special : {false, true}) {
      const Ids ids = tokenizer->Encode(text, {.parse_special = special});
      ASSERT_EQ(tokenizer->Decode(ids, true), text);
      for (const TokenId id : ids) {  // T1, T2
        ASSERT_TRUE(id >= 0 && id < static_cast<TokenId>(tokenizer->vocab_size()));
        ASSERT_TRUE(special || !tokenizer->IsControl(id)) << text;
      }
    }
  }
}

TEST(Tokenizer, ByScoreDecodesToWhatWasEncoded) {
  GgufWriter writer;
  test::AddSentencePieceVocab(writer, 0);
  const auto tokenizer = Make(writer);
  std::mt19937 rng(2);
  for (int round = 0; round < 2000; ++round) {
    const std::string text = RandomText(rng, round % 2 == 0);
    const Ids ids = tokenizer->Encode(text, {.add_special = true});
    ASSERT_EQ(ids[0], tokenizer->bos());
    ASSERT_EQ(tokenizer->Decode(ids, false), text);
    for (size_t i = 1; i < ids.size(); ++i) ASSERT_FALSE(tokenizer->IsControl(ids[i])) << text;
  }
}

TEST(Tokenizer, ControlTextIsParsedOnlyWhenAsked) {
  const auto tokenizer = TinyBytes();
  const Ids parsed = tokenizer->Encode("a<|im_end|>", {.parse_special = true});
  ASSERT_EQ(parsed.size(), 2u);
  EXPECT_TRUE(tokenizer->IsControl(parsed[1]));
  EXPECT_TRUE(tokenizer->IsEndOfGeneration(parsed[1]));
  EXPECT_EQ(tokenizer->Decode(parsed, false), "a");
  EXPECT_EQ(tokenizer->Decode(parsed, true), "a<|im_end|>");
  EXPECT_GT(tokenizer->Encode("a<|im_end|>").size(), 5u);
}

// Merges that lead step by step to the text of a control, unknown or byte token.
TEST(Tokenizer, MergesCannotSmuggleAControlToken) {
  Vocab vocab;
  vocab.AddBytes();
  for (const char* text :
       {"<", "s", ">", "<s", "/", "</", "</s", "0", "x", "A", "<0", "<0x", "0A", "<0x0", "<0x0A"}) {
    vocab.Add(text);
  }
  const auto tokenizer = Make(vocab.Writer());
  EXPECT_EQ(tokenizer->Encode("<s>"), (Ids{vocab.Id("<s"), vocab.Id(">")}));
  EXPECT_EQ(tokenizer->Encode("<s>", {.parse_special = true}), Ids{1});
  for (const TokenId id : tokenizer->Encode("<0x0A>")) EXPECT_NE(id, vocab.Id("<0x0A>"));

  Vocab bytes;
  bytes.model = "gpt2";
  bytes.pre = "llama-bpe";  // looks whole words up first
  bytes.Add("hi", 3).Add("h").Add("i");
  bytes.merges = {"h i"};
  const auto by_bytes = Make(bytes.Writer());
  EXPECT_EQ(by_bytes->Encode("hi"), (Ids{bytes.Id("h"), bytes.Id("i")}));
}

TEST(Tokenizer, UserDefinedTokensMatchAlwaysLongestFirst) {
  Vocab vocab;
  vocab.AddBytes().Add("a").Add("b").Add("\n\n", 4).Add("\n\n\n", 4).Add("ab<", 4).Add("<x>", 4);
  const auto tokenizer = Make(vocab.Writer());
  EXPECT_EQ(tokenizer->Encode("\n\n\n\n\n"), (Ids{vocab.Id("\n\n\n"), vocab.Id("\n\n")}));
  // Of equally long ones that overlap, the lower id wins, wherever it begins.
  EXPECT_EQ(tokenizer->Encode("ab<x>"),
            (Ids{vocab.Id("ab<"), vocab.Id("<0x78>"), vocab.Id("<0x3E>")}));
  EXPECT_EQ(tokenizer->Encode("a<x>b"), (Ids{vocab.Id("a"), vocab.Id("<x>"), vocab.Id("b")}));
}

TEST(Tokenizer, TheBestScoreMergesFirstThenTheLeftmost) {
  Vocab vocab;
  vocab.AddBytes().Add("a").Add("b").Add("c").Add("bc").Add("ab").Add("aa");
  const auto tokenizer = Make(vocab.Writer());
  EXPECT_EQ(tokenizer->Encode("abc"), (Ids{vocab.Id("a"), vocab.Id("bc")}));
  EXPECT_EQ(tokenizer->Encode("aaa"), (Ids{vocab.Id("aa"), vocab.Id("a")}));
  EXPECT_EQ(tokenizer->Encode("é"), (Ids{vocab.Id("<0xC3>"), vocab.Id("<0xA9>")}));
}

TEST(Tokenizer, TheSpaceBeforeTheFirstWordComesAndGoes) {
  Vocab vocab;
  vocab.space_prefix = true;
  vocab.AddBytes().Add("\u2581").Add("a").Add("\u2581a");
  const auto tokenizer = Make(vocab.Writer());
  const TokenId word = vocab.Id("\u2581a");
  EXPECT_EQ(tokenizer->Encode("a a"), (Ids{word, word}));
  EXPECT_EQ(tokenizer->Encode("</s>a", {.add_special = true, .parse_special = true}),
            (Ids{1, 2, word}));
  EXPECT_EQ(tokenizer->Decode(Ids{1, word, word}, false), "a a");
  Detokenizer stream(*tokenizer);
  EXPECT_EQ(stream.Append(word), " a");  // continues a text
  EXPECT_EQ(tokenizer->Encode("", {.add_special = true}), Ids{1});
  EXPECT_TRUE(tokenizer->Encode("").empty());
}

TEST(Tokenizer, Phi3SpecialTokensSwallowTheSpaceBehind) {
  Vocab vocab;
  vocab.AddBytes().Add("a").Add("<|user|>", 3);
  GgufWriter writer = vocab.Writer();
  writer.AddString("general.name", "Phi-3 mini");
  const auto tokenizer = Make(writer);
  EXPECT_EQ(tokenizer->Encode("<|user|> \n a", {.parse_special = true}),
            (Ids{vocab.Id("<|user|>"), vocab.Id("a")}));
  EXPECT_EQ(tokenizer->Encode("<s> a", {.parse_special = true}).size(), 5u);  // not that one
}

TEST(Tokenizer, HarmonyMarksAreShownButNeverSmuggled) {
  Vocab vocab;
  vocab.AddBytes();
  for (const char* text : {"<|end|>", "<|return|>", "<|call|>", "<|channel|>"}) vocab.Add(text, 3);
  const auto tokenizer = Make(vocab.Writer());
  const TokenId channel = vocab.Id("<|channel|>");
  EXPECT_EQ(tokenizer->Encode("<|channel|>", {.parse_special = true}), Ids{channel});
  EXPECT_EQ(tokenizer->Encode("<|channel|>").size(), 11u);
  EXPECT_EQ(tokenizer->Decode(Ids{channel}, false), "<|channel|>");
  EXPECT_FALSE(tokenizer->IsEndOfGeneration(vocab.Id("<|end|>")));
  EXPECT_TRUE(tokenizer->IsEndOfGeneration(vocab.Id("<|call|>")));
}

TEST(Tokenizer, NamesWhatItDoesNotKnow) {
  for (const char* model : {"bert", "t5", "rwkv", "plamo2", "gemma4", "none"}) {
    Vocab vocab;
    vocab.model = model;
    const auto refused = Create(vocab.Writer());
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(refused.error().message.find(model), std::string::npos);
  }
  Vocab vocab;
  vocab.model = "gpt2";
  EXPECT_FALSE(Create(vocab.Writer()).has_value());  // no pre-tokenizer at all
  vocab.pre = "brand-new";
  const auto refused = Create(vocab.Writer());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message.find("brand-new"), std::string::npos);
  EXPECT_NE(refused.error().message.find("llama-bpe"), std::string::npos);
}

TEST(Tokenizer, RefusesBrokenVocabularies) {
  const auto expect_corrupt = [](const GgufWriter& writer, const char* what) {
    const auto made = Create(writer);
    ASSERT_FALSE(made.has_value()) << what;
    EXPECT_EQ(made.error().code, ErrorCode::kCorrupt) << what;
  };
  expect_corrupt(Vocab().Add("a").Add("a").Writer(), "two equal texts");
  expect_corrupt(Vocab().Add("\xFF").Writer(), "not UTF-8");
  Vocab vocab;
  vocab.scores.pop_back();
  expect_corrupt(vocab.Writer(), "a score missing");
  vocab = Vocab();
  vocab.types.push_back(1);
  expect_corrupt(vocab.Writer(), "a type too many");
  vocab = Vocab();
  vocab.scores[1] = std::numeric_limits<float>::quiet_NaN();
  expect_corrupt(vocab.Writer(), "a score that is not a number");
  for (const char* key : {"bos", "eos", "unknown", "padding", "eot", "eom", "fim_pad", "prefix"}) {
    GgufWriter writer = Vocab().Writer();
    writer.AddUint("tokenizer.ggml." + std::string(key) + "_token_id", 3);
    expect_corrupt(writer, key);
  }
  GgufWriter no_tokens;
  no_tokens.AddString("tokenizer.ggml.model", "llama");
  expect_corrupt(no_tokens, "no tokens");
  GgufWriter no_end = Vocab().Writer();
  no_end.AddUint("tokenizer.ggml.eos_token_id", UINT32_MAX);
  no_end.AddBool("tokenizer.ggml.add_eos_token", true);
  expect_corrupt(no_end, "an end that is added, but is none");
}

TEST(Tokenizer, OddMergesDoNoHarm) {
  Vocab vocab;
  vocab.model = "gpt2";
  vocab.pre = "gpt-2";
  vocab.Add("a").Add("b").Add("ab").Add("ba");
  vocab.merges = {"", " ", "a", "a ", " a", "a b", "a b", "b a", "ab ab", "ba ab", "\u4e2d a"};
  const auto tokenizer = Make(vocab.Writer());
  EXPECT_EQ(tokenizer->Encode("abba"), (Ids{vocab.Id("ab"), vocab.Id("ba")}));
  // "abab" is made by a merge but is no token: its bytes are.
  EXPECT_EQ(tokenizer->Encode("abab"),
            (Ids{vocab.Id("a"), vocab.Id("b"), vocab.Id("a"), vocab.Id("b")}));
  EXPECT_TRUE(tokenizer->Encode("\x01").empty());  // a byte that the vocabulary lacks
  EXPECT_EQ(tokenizer->Piece(-1), "");
  EXPECT_EQ(tokenizer->Piece(1000000), "");
  EXPECT_FALSE(tokenizer->IsControl(1000000));
}

// 400 KB without a space: seconds if merging were quadratic.
TEST(Tokenizer, LongWordsAreNotQuadratic) {
  const auto tokenizer = TinyBytes();
  std::string text;
  while (text.size() < 400'000) text += "theanding";
  const auto ids = tokenizer->Encode(text);
  EXPECT_LE(ids.size() * 3, text.size() + 3);
  EXPECT_EQ(tokenizer->Decode(ids, true), text);
}

}  // namespace
}  // namespace quire
