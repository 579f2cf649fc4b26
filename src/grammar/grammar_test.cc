// Masks against the naive reference, dead ends, and what grammars mean.
#include "grammar/grammar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "grammar/source/ebnf.h"
#include "grammar/source/json_schema.h"
#include "grammar/source/regex.h"
#include "tests/support/grammar_vocabulary.h"
#include "tests/support/random_weights.h"

namespace quire {
namespace {

using test::TestVocabulary;

std::shared_ptr<const Grammar> Compile(const TestVocabulary& vocabulary,
                                       const std::function<Result<Part>(Parts&)>& make) {
  Parts parts;
  const auto root = make(parts);
  EXPECT_TRUE(root.has_value()) << root.error().message;
  auto grammar = Grammar::Compile(parts, *root, vocabulary.trie());
  EXPECT_TRUE(grammar.has_value()) << grammar.error().message;
  return grammar.has_value() ? *grammar : nullptr;
}

std::shared_ptr<const Grammar> FromRegex(const TestVocabulary& vocabulary,
                                         std::string_view pattern) {
  return Compile(vocabulary,
                 [&](Parts& parts) { return AddRegex(parts, pattern, RegexUse::kWhole); });
}

std::shared_ptr<const Grammar> FromEbnf(const TestVocabulary& vocabulary, std::string_view text) {
  return Compile(vocabulary, [&](Parts& parts) { return AddEbnf(parts, text); });
}

std::shared_ptr<const Grammar> FromSchema(const TestVocabulary& vocabulary, std::string_view text) {
  return Compile(vocabulary, [&](Parts& parts) {
    return AddJsonSchema(parts, nlohmann::ordered_json::parse(text));
  });
}

// Whether `text` is one of the grammar, byte by byte.
bool Matches(const TestVocabulary& vocabulary, const std::shared_ptr<const Grammar>& grammar,
             std::string_view text) {
  GrammarState state(grammar);
  for (const char c : text) {
    if (!state.Advance(vocabulary.TokenOf(std::string_view(&c, 1)))) return false;
  }
  return state.may_end();
}

std::set<TokenId> Allowed(const GrammarState& state) {
  std::vector<uint64_t> words(state.grammar().trie().num_words());
  state.FillMask(words);
  std::set<TokenId> allowed;
  for (size_t i = 0; i < words.size() * 64; ++i) {
    if ((words[i / 64] >> i % 64 & 1) != 0) allowed.insert(static_cast<TokenId>(i));
  }
  return allowed;
}

// The naive reference: every token through the automaton.
std::set<TokenId> AllowedOneByOne(const GrammarState& state) {
  const TokenTrie& trie = state.grammar().trie();
  std::set<TokenId> allowed;
  for (uint32_t i = 0; i < trie.vocab_size(); ++i) {
    const TokenId token = static_cast<TokenId>(i);
    GrammarState copy = state;
    if (trie.IsEnd(token) ? state.may_end() : copy.Advance(token)) allowed.insert(token);
  }
  return allowed;
}

// Random answers: masks are those of the reference, never empty, and the text is taken byte by byte
// too. Returns the answers that came to an end.
std::vector<std::string> RandomAnswers(const TestVocabulary& vocabulary,
                                       const std::shared_ptr<const Grammar>& grammar,
                                       uint32_t answers, uint32_t longest = 60) {
  test::Rng rng(7);
  std::vector<std::string> done;
  for (uint32_t answer = 0; answer < answers; ++answer) {
    GrammarState state(grammar);
    std::string text;
    for (uint32_t i = 0; i < longest && !state.finished(); ++i) {
      const std::set<TokenId> allowed = Allowed(state);
      EXPECT_EQ(allowed, AllowedOneByOne(state)) << "behind: " << text;
      if (allowed.empty()) {
        ADD_FAILURE() << "a dead end behind: " << text;
        break;
      }
      auto choice = allowed.begin();
      std::advance(choice, rng.Below(static_cast<uint32_t>(allowed.size())));
      if (grammar->trie().IsEnd(*choice)) break;
      text += vocabulary.TextOf(*choice);
      EXPECT_TRUE(state.Advance(*choice));
    }
    if (!state.may_end()) continue;
    const bool spelled = std::ranges::all_of(
        text, [&](char c) { return vocabulary.TokenOf(std::string_view(&c, 1)) != kNoToken; });
    if (spelled) {
      EXPECT_TRUE(Matches(vocabulary, grammar, text)) << text;
    }
    done.push_back(text);
  }
  return done;
}

TEST(GrammarTest, MatchesRegularExpressions) {
  const TestVocabulary vocabulary;
  const auto is = [&](std::string_view pattern, std::string_view text) {
    return Matches(vocabulary, FromRegex(vocabulary, pattern), text);
  };
  EXPECT_TRUE(is("a(b|cd)*e", "abcdbe"));
  EXPECT_FALSE(is("a(b|cd)*e", "abce"));
  EXPECT_TRUE(is("^[0-9]{2,3}$", "123"));
  EXPECT_FALSE(is("[0-9]{2,3}", "1"));
  EXPECT_FALSE(is("[0-9]{2,3}", "1234"));
  EXPECT_TRUE(is("[^a-c]+", "d\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
  EXPECT_FALSE(is("[^a-c]+", "db"));
  // U+001D is white space to Python and none to ECMAScript: to be either would be wrong for one.
  for (const char* space : {"\\s", "\\S", "[^\\s]", "[^\\S]"}) {
    EXPECT_FALSE(is(space, "\x1D")) << space;
  }
  EXPECT_TRUE(is("[^\\s@]+[^\\S\\n]", "d\xC3\xA9 "));
  EXPECT_FALSE(is("[^\\d]", "\xD9\xA3")) << "a digit to Python";
  EXPECT_FALSE(is(".", "\n"));
  EXPECT_TRUE(is("\\d+\\.\\w\\s", "12._ "));
  EXPECT_TRUE(is("(?:a*)*b", "aaab"));
  EXPECT_TRUE(is("x{}{a}", "x{}{a}"));
  EXPECT_TRUE(is("x{0}", ""));
  EXPECT_TRUE(is("\\u00e9|\\x41", "A"));
  EXPECT_TRUE(is("(a{30}){3}", std::string(90, 'a')));
  EXPECT_FALSE(is("(a{30}){3}", std::string(89, 'a')));
}

TEST(GrammarTest, MatchesRecursiveGrammars) {
  const TestVocabulary vocabulary;
  const auto grammar = FromEbnf(vocabulary, R"G(
      root ::= expr   # a sum
      expr ::= term (("+" | "-") term)*
      term ::= [0-9]+ | "(" expr ")")G");
  EXPECT_TRUE(Matches(vocabulary, grammar, "1+(2-(3+44))"));
  EXPECT_FALSE(Matches(vocabulary, grammar, "1+(2-(3+44)"));
  EXPECT_FALSE(Matches(vocabulary, grammar, "1+"));
}

TEST(GrammarTest, MasksAreThoseOfTheNaiveReference) {
  const TestVocabulary vocabulary;
  EXPECT_FALSE(
      RandomAnswers(vocabulary, FromRegex(vocabulary, "[a-z ]{3,20}(true|false)?"), 20).empty());
  EXPECT_FALSE(RandomAnswers(vocabulary, FromRegex(vocabulary, ".{0,12}"), 20).empty());
  RandomAnswers(vocabulary, FromRegex(vocabulary, "[^x]*\xC3\xA9[^y]*"), 10);
  RandomAnswers(vocabulary,
                FromEbnf(vocabulary, R"(root ::= "[" (root ("," " "? root)*)? "]" | "a")"), 20);
  // Ambiguous, in many stacks at once.
  RandomAnswers(vocabulary, FromEbnf(vocabulary, R"G(
      root ::= p | q
      p ::= "(" root ")" | "a"
      q ::= "(" root "]" | "a")G"),
                20);
  RandomAnswers(vocabulary, FromSchema(vocabulary, R"({"type": "object", "properties":
      {"name": {"type": "string", "maxLength": 5}, "n": {"type": "integer", "minimum": -3},
       "l": {"type": "array", "items": {"enum": ["a", "ab", 1]}, "minItems": 1}},
      "required": ["name"]})"),
                20, 100);
}

TEST(GrammarTest, VocabulariesWithoutSomeBytesHaveNoDeadEndsEither) {
  // Without '5' and without the lead byte of \u00e9 as tokens: "0.5" is one, and its characters.
  const TestVocabulary vocabulary(std::string("5\xC3", 2));
  RandomAnswers(vocabulary, FromRegex(vocabulary, "([0-9]\\.[0-9])*x?"), 20);
  RandomAnswers(vocabulary, FromRegex(vocabulary, "[a\xC3\xA9]{1,9}b"), 20);
  Parts parts;
  const auto root = AddRegex(parts, "a5", RegexUse::kWhole);
  const auto grammar = Grammar::Compile(parts, *root, vocabulary.trie());
  ASSERT_FALSE(grammar.has_value());
  EXPECT_NE(grammar.error().message.find("cannot spell"), std::string::npos);
}

TEST(GrammarTest, EndsExactlyWhereItMayEnd) {
  const TestVocabulary vocabulary;
  GrammarState state(FromRegex(vocabulary, "a(bc)?"));
  const TokenId end = vocabulary.TokenOf("<end>");
  EXPECT_FALSE(Allowed(state).contains(end));
  ASSERT_TRUE(state.Advance(vocabulary.TokenOf("a")));
  EXPECT_TRUE(state.may_end() && !state.finished());
  EXPECT_TRUE(Allowed(state).contains(end));
  ASSERT_TRUE(state.Advance(vocabulary.TokenOf("b")));
  EXPECT_FALSE(state.may_end());
  EXPECT_FALSE(Allowed(state).contains(end));
  ASSERT_TRUE(state.Advance(vocabulary.TokenOf("c")));
  EXPECT_TRUE(state.finished());
  EXPECT_FALSE(state.Advance(vocabulary.TokenOf("a")));
}

TEST(GrammarTest, NestingEndsBeforeItIsTooDeep) {
  const TestVocabulary vocabulary;
  GrammarState state(FromEbnf(vocabulary, R"G(root ::= "(" root ")" | "a")G"));
  uint32_t depth = 0;
  while (state.Advance(vocabulary.TokenOf("("))) ++depth;
  EXPECT_GT(depth, 100u);
  EXPECT_EQ(Allowed(state), AllowedOneByOne(state));
  ASSERT_TRUE(state.Advance(vocabulary.TokenOf("a")));
  for (; depth > 0; --depth) ASSERT_TRUE(state.Advance(vocabulary.TokenOf(")")));
  EXPECT_TRUE(state.finished());
}

TEST(GrammarTest, RightRecursionHasNoEnd) {
  const TestVocabulary vocabulary;
  GrammarState state(FromEbnf(vocabulary, R"G(root ::= "a" root | "b")G"));
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(state.Advance(vocabulary.TokenOf("a")));
  EXPECT_TRUE(state.Advance(vocabulary.TokenOf("b")));
}

TEST(GrammarTest, FreeTextUpToAMarker) {
  const TestVocabulary vocabulary;
  const auto grammar = Compile(vocabulary, [](Parts& parts) -> Result<Part> {
    const Part call = parts.Sequence({parts.TextThrough("<call>"), parts.Literal("{"),
                                      parts.Repeat(parts.OneOf(ByteSet::Range('0', '9')), 1),
                                      parts.Literal("}")});
    return parts.Choice({parts.TextWithout("<call>"), call});
  });
  EXPECT_TRUE(Matches(vocabulary, grammar, "anything at <all"));
  EXPECT_TRUE(Matches(vocabulary, grammar, "so: <<call>{12}"));
  EXPECT_FALSE(Matches(vocabulary, grammar, "so: <call>"));
  EXPECT_FALSE(Matches(vocabulary, grammar, "so: <call>x"));
  RandomAnswers(vocabulary, grammar, 10, 30);
  GrammarState state(grammar);
  EXPECT_TRUE(state.Advance(vocabulary.TokenOf("<control>")));  // free text may hold them
  ASSERT_TRUE(state.Advance(vocabulary.TokenOf("<call>")));
  EXPECT_FALSE(state.Advance(vocabulary.TokenOf("<control>")));
  EXPECT_EQ(Allowed(state), AllowedOneByOne(state));
}

TEST(GrammarTest, ControlTokensByName) {
  const TestVocabulary vocabulary;
  const TokenId control = vocabulary.TokenOf("<control>");
  const auto grammar = Compile(vocabulary, [&](Parts& parts) -> Result<Part> {
    return parts.Sequence({parts.Literal("a"), parts.ControlToken(control), parts.Literal("b")});
  });
  GrammarState state(grammar);
  EXPECT_FALSE(state.Advance(control));
  ASSERT_TRUE(state.Advance(vocabulary.TokenOf("a")));
  EXPECT_EQ(Allowed(state), std::set<TokenId>{control});
  EXPECT_EQ(AllowedOneByOne(state), std::set<TokenId>{control});
  ASSERT_TRUE(state.Advance(control));
  EXPECT_TRUE(state.Advance(vocabulary.TokenOf("b")));
}

TEST(GrammarTest, RefusesWhatCannotBe) {
  const TestVocabulary vocabulary;
  const auto refusal = [&](std::string_view text) {
    Parts parts;
    const auto root = AddEbnf(parts, text);
    if (!root) return root.error().message;
    const auto grammar = Grammar::Compile(parts, *root, vocabulary.trie());
    return grammar ? std::string("taken") : grammar.error().message;
  };
  EXPECT_NE(refusal("root ::= x \"a\"  x ::= root? \"b\"").find("left-recursive"),
            std::string::npos);
  EXPECT_NE(refusal("root ::= root").find("left-recursive"), std::string::npos);
  EXPECT_NE(refusal("root ::= \"a\" root").find("never ends"), std::string::npos);
  EXPECT_NE(refusal("root ::= x").find("'x' is used but not defined"), std::string::npos);
  EXPECT_NE(refusal("root ::= \"a").find("not closed"), std::string::npos);
  EXPECT_NE(refusal("root ::= (\"a\"{1000}){1000}").find("shortest"), std::string::npos);
  EXPECT_NE(refusal("root ::= [ab]* \"a\" [ab]{20}").find("too large"), std::string::npos);
  EXPECT_NE(refusal("root ::= \"a\"{,3}").find("{0,n}"), std::string::npos);
  EXPECT_EQ(refusal("root ::= \"a\" ; x = 'b'"), "taken");
}

TEST(GrammarTest, ACopyGoesItsOwnWay) {
  const TestVocabulary vocabulary;
  GrammarState state(FromRegex(vocabulary, "(ab)*c"));
  GrammarState copy = state;
  ASSERT_TRUE(state.Advance(vocabulary.TokenOf("c")));
  EXPECT_TRUE(copy.Advance(vocabulary.TokenOf("ab")));
  EXPECT_TRUE(state.finished() && !copy.finished());
}

}  // namespace
}  // namespace quire
