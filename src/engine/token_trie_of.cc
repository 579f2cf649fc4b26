#include "engine/token_trie_of.h"

namespace quire {

std::shared_ptr<const TokenTrie> TokenTrieOf(const Tokenizer& tokenizer) {
  TokenTexts tokens;
  tokens.texts.resize(tokenizer.vocab_size());
  tokens.ends = tokenizer.end_of_generation();
  for (uint32_t i = 0; i < tokenizer.vocab_size(); ++i) {
    const TokenId token = static_cast<TokenId>(i);
    if (!tokenizer.IsControl(token)) {
      tokens.texts[i] = tokenizer.Piece(token);
    } else if (token != tokenizer.unknown() && !tokenizer.IsEndOfGeneration(token)) {
      tokens.controls.push_back(token);
    }
  }
  return std::make_shared<const TokenTrie>(tokens);
}

}  // namespace quire
