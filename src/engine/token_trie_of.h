// engine/token_trie_of.h -- a tokenizer's vocabulary as grammars need it.
#pragma once

#include <memory>

#include "grammar/token_trie.h"
#include "text/tokenizer.h"

namespace quire {

// Tokens with the bytes that answers show. Takes some 100 ms for a large vocabulary.
std::shared_ptr<const TokenTrie> TokenTrieOf(const Tokenizer& tokenizer);

}  // namespace quire
