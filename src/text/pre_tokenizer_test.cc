#include "text/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <random>

namespace quire {
namespace {

using Words = std::vector<std::string>;

Words Split(std::string_view name, std::string_view text) {
  const auto made = PreTokenizer::Create(name);
  EXPECT_TRUE(made.has_value()) << made.error().message;
  Words words;
  uint32_t begin = 0;
  for (const uint32_t end : made->Split(text)) {
    words.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_EQ(begin, text.size());
  return words;
}

TEST(PreTokenizer, CutsAsTheFamiliesDo) {
  EXPECT_EQ(Split("gpt-2", "I'll go  home12 !?\n"),
            (Words{"I", "'ll", " go", " ", " home", "12", " !?", "\n"}));
  EXPECT_EQ(Split("smollm", "a 12"), (Words{"a", " ", "1", "2"}));
  EXPECT_EQ(Split("llama-bpe", "I'LL 12345\n\n x"),
            (Words{"I", "'LL", " ", "123", "45", "\n\n", " x"}));
  EXPECT_EQ(Split("qwen2", "$price 12"), (Words{"$price", " ", "1", "2"}));
  EXPECT_EQ(Split("qwen2", "e\u0301a"), (Words{"e", "\u0301a"}));
  EXPECT_EQ(Split("qwen35", "e\u0301a"), (Words{"e\u0301a"}));
  EXPECT_EQ(Split("gpt-4o", "HTMLParser's x/\n"), (Words{"HTMLParser's", " x", "/\n"}));
  EXPECT_EQ(Split("gpt-4o", "helloWorld"), (Words{"hello", "World"}));
  EXPECT_EQ(Split("tekken", "it's 12"), (Words{"it", "'s", " ", "1", "2"}));
  EXPECT_EQ(Split("deepseek-v3", "12345 日本語 .x"),
            (Words{"123", "45", " ", "日本語", " .", "x"}));
  EXPECT_EQ(Split("deepseek-coder", " ab\n12"), (Words{" ab", "\n", "1", "2"}));
  EXPECT_EQ(Split("falcon", "a1234+"), (Words{"a", "123", "4", "+"}));
  EXPECT_EQ(Split("bloom", " a, b"), (Words{" a", ",", " b"}));
  EXPECT_EQ(Split("kimi-k2", "abc中文Def"), (Words{"abc", "中文", "Def"}));
  EXPECT_EQ(Split("afmoe", "1234567"), (Words{"1", "234", "567"}));
  EXPECT_EQ(Split("tiny_aya", "1234567 12345x"), (Words{"1", "234", "567", " ", "123", "45", "x"}));
  EXPECT_EQ(Split("superbpe", "by the way 1234"), (Words{"by the way ", "1", "234"}));
  EXPECT_EQ(Split("exaone-moe", "by the way"), (Words{"by the way"}));
}

TEST(PreTokenizer, SpacesAndLettersAreUnicodes) {
  EXPECT_EQ(Split("llama-bpe", "a\u00A0\u3000b"), (Words{"a", "\u00A0", "\u3000b"}));
  EXPECT_EQ(Split("gpt-2", "a\u180E \u0085"), (Words{"a", "\u180E", " \u0085"}));  // no space
  EXPECT_EQ(Split("gpt-2", "\U00031350a"), (Words{"\U00031350a"}));  // a letter since Unicode 15
  EXPECT_EQ(Split("llama-bpe", "'\u017F"), (Words{"'\u017F"}));      // no contraction
}

TEST(PreTokenizer, EveryNameCutsEveryTextWholly) {
  std::mt19937 rng(7);
  const std::string parts[] = {"a",    "B",        " ",  "\n",     "\r\n", "1",
                               "²",    "é",        "中", "\u0301", "'s",   "!",
                               "\xFF", "\xF0\x9F", "😀", "\u3000", "\t\t", "IMGIMGAZ"};
  for (const std::string_view name : PreTokenizerNames()) {
    const auto made = PreTokenizer::Create(name);
    ASSERT_TRUE(made.has_value()) << name;
    EXPECT_TRUE(made->Split("").empty());
    for (int round = 0; round < 200; ++round) {
      std::string text;
      for (uint32_t n = 1 + rng() % 20; n > 0; --n) text += parts[rng() % std::size(parts)];
      const auto ends = made->Split(text);
      ASSERT_FALSE(ends.empty());
      for (size_t i = 0; i < ends.size(); ++i) ASSERT_LT(i == 0 ? 0 : ends[i - 1], ends[i]) << name;
      ASSERT_EQ(ends.back(), text.size()) << name;
    }
  }
}

TEST(PreTokenizer, BytesThatAreNotUtf8CountAsSymbols) {
  EXPECT_EQ(Split("gpt-2", "a\xFF\xFE b"), (Words{"a", "\xFF\xFE", " b"}));
  EXPECT_EQ(Split("gpt-2", "\xE6\x97 x"), (Words{"\xE6\x97", " x"}));
}

// Runs on which a careless pattern would take time squared, or all of its stack.
TEST(PreTokenizer, LongRunsAreLinear) {
  std::string clause;
  while (clause.size() < 200'000) clause += "ab ";
  for (const std::string_view name : PreTokenizerNames()) {
    const auto made = PreTokenizer::Create(name);
    for (const std::string& text :
         {std::string(100'000, 'A'), std::string(100'000, '1') + "x", clause,
          std::string(20'000, ' ') + "中", std::string(100'000, '\n') + "x"}) {
      ASSERT_EQ(made->Split(text).back(), text.size()) << name;
    }
  }
}

}  // namespace
}  // namespace quire
