// fuzz/grammar_walk.h -- a random answer to a grammar, with all that must hold on the way.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "grammar/grammar.h"
#include "tests/support/grammar_vocabulary.h"

namespace quire::fuzz {

// The answer if it came to an end within some 40 tokens; nullopt also for grammars that are
// refused. Every step allows a token (G1), and an allowed one is taken (G2).
inline std::optional<std::string> Walk(const Parts& parts, Part root, uint64_t seed) {
  static const test::TestVocabulary vocabulary;
  const auto grammar = Grammar::Compile(parts, root, vocabulary.trie());
  if (!grammar) {
    QUIRE_CHECK(!grammar.error().message.empty());
    return std::nullopt;
  }
  GrammarState state(*grammar);
  std::vector<uint64_t> allowed(vocabulary.trie()->num_words());
  std::string text;
  for (int i = 0; i < 40 && !state.finished(); ++i) {
    state.FillMask(allowed);
    std::vector<TokenId> tokens;
    for (TokenId token = 0; token < static_cast<TokenId>(vocabulary.trie()->vocab_size());
         ++token) {
      if ((allowed[static_cast<size_t>(token) / 64] >> token % 64 & 1) == 0) continue;
      if (!vocabulary.trie()->IsEnd(token)) tokens.push_back(token);
    }
    QUIRE_CHECK(!tokens.empty(), "a dead end");
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    const TokenId token = tokens[(seed >> 33) % tokens.size()];
    QUIRE_CHECK(state.Advance(token), "an allowed token is taken");
    text += vocabulary.trie()->TextOf(token);
  }
  return state.may_end() ? std::optional(text) : std::nullopt;
}

}  // namespace quire::fuzz
