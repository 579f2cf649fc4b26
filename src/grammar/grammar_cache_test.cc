#include "grammar/grammar_cache.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/grammar_vocabulary.h"

namespace quire {
namespace {

GrammarCache::Make Literal(std::string text) {
  return [text](Parts& parts) -> Result<Part> { return parts.Literal(text); };
}

TEST(GrammarCacheTest, CompilesATextOnce) {
  const test::TestVocabulary vocabulary;
  GrammarCache cache(vocabulary.trie());
  const auto first = cache.Get("a", Literal("a"));
  const auto again = cache.Get("a", [](Parts&) -> Result<Part> {
    ADD_FAILURE() << "compiled again";
    return Refuse(ErrorCode::kInternal, "again");
  });
  EXPECT_EQ(*first, *again);
  EXPECT_EQ(cache.stats().compiled, 1u);
  EXPECT_EQ(cache.stats().hits, 1u);
}

TEST(GrammarCacheTest, KeepsNoRefusals) {
  const test::TestVocabulary vocabulary;
  GrammarCache cache(vocabulary.trie());
  const auto refused = cache.Get("x", [](Parts&) -> Result<Part> {
    return Refuse(ErrorCode::kInvalidArgument, "no", "field");
  });
  EXPECT_EQ(refused.error().param, "field");
  EXPECT_EQ(cache.stats().grammars, 0u);
}

TEST(GrammarCacheTest, ForgetsWhatWasNotUsedForLongest) {
  const test::TestVocabulary vocabulary;
  GrammarCache cache(vocabulary.trie());
  const auto first = *cache.Get("0", Literal("first"));
  for (size_t i = 1; i < 2 * kMaxGrammars; ++i) {
    EXPECT_TRUE(cache.Get(std::to_string(i), Literal("text")));
    EXPECT_EQ(*cache.Get("0", Literal("other")), first) << "used all the time, it stays";
  }
  EXPECT_LE(cache.stats().grammars, kMaxGrammars);
  EXPECT_LE(cache.stats().bytes, kMaxGrammarBytes + 2 * first->bytes());
  const uint64_t before = cache.stats().compiled;
  EXPECT_TRUE(cache.Get("1", Literal("text")));
  EXPECT_EQ(cache.stats().compiled, before + 1);
}

TEST(GrammarCacheTest, TheHelperWorksOutMasks) {
  const test::TestVocabulary vocabulary;
  GrammarCache cache(vocabulary.trie());
  const GrammarState state(*cache.Get("a", Literal("abc")));
  EXPECT_FALSE(state.prepared());
  state.PrepareSoon();
  while (!state.prepared()) std::this_thread::yield();
}

TEST(GrammarCacheTest, GrammarsOutliveTheCacheAndItsHelper) {
  const test::TestVocabulary vocabulary;
  auto cache = std::make_unique<GrammarCache>(vocabulary.trie());
  GrammarState state(*cache->Get("a", Literal("abc")));
  for (int i = 0; i < 100; ++i) state.PrepareSoon();
  cache.reset();
  state.PrepareSoon();
  EXPECT_TRUE(state.Advance(vocabulary.TokenOf("abc")));
}

}  // namespace
}  // namespace quire
