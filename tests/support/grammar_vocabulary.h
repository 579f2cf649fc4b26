// tests/support/grammar_vocabulary.h -- a small vocabulary for tests of grammars: bytes, and
// tokens that cross what grammars keep apart.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/token_trie.h"

namespace quire::test {

// Tokens: a byte each, some hundred longer texts, one that ends answers, two control tokens.
class TestVocabulary {
 public:
  // `missing`: bytes without a token of their own.
  explicit TestVocabulary(std::string_view missing = {}) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const std::string text(1, static_cast<char>(byte));
      if (missing.find(text) == std::string_view::npos) Add(text);
    }
    for (const char* text :
         {"true",     "false",    "null",     "\", \"",   "\": ",     "\":",    "{\"",
          "\"}",      "},",       "[[",       "]]",       "], [",     "  ",     "\n  ",
          "\n\n",     "ab",       "abc",      "aab",      "12",       "123",    "0.5",
          "-1",       "e1",       "the",      " the",     "name",     "\"n",    "a\"",
          "a\":",     "aa\"}",    "(a",       "))",       "a)",       "((",     ")]",
          "])",       "\xC3\xA9", "\xA9\xC3", "\xE2\x82", "\x82\xAC", "\xAC\"", "\xF0\x9F",
          "\x98\x80", "\\n",      "\\\"",     "\\u00",    "\\",       "1, ",    "1]",
          "\"a",      "\"ab\"",   "+(",       "1+1",      "<call>",   "l>{",    "ca"}) {
      Add(text);
    }
    tokens_.ends.push_back(Add("<end>"));
    tokens_.controls.push_back(Add("<control>"));
    tokens_.controls.push_back(Add("<other>"));
    for (const std::string& text : texts_) tokens_.texts.push_back(text);
    trie_ = std::make_shared<const TokenTrie>(tokens_);
  }

  std::shared_ptr<const TokenTrie> trie() const { return trie_; }
  TokenId TokenOf(std::string_view text) const {
    const auto found = ids_.find(std::string(text));
    return found == ids_.end() ? kNoToken : found->second;
  }
  const std::string& TextOf(TokenId token) const { return texts_[static_cast<size_t>(token)]; }

 private:
  TokenId Add(const std::string& text) {
    const TokenId id = static_cast<TokenId>(texts_.size());
    texts_.push_back(text);
    ids_.emplace(text, id);
    return id;
  }

  std::vector<std::string> texts_;
  std::map<std::string, TokenId> ids_;
  TokenTexts tokens_;
  std::shared_ptr<const TokenTrie> trie_;
};

}  // namespace quire::test
