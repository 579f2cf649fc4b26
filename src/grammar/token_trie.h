// grammar/token_trie.h -- the vocabulary of a model as a tree of bytes.
//
// Tokens that begin alike share a path, so that a whole vocabulary is tried against an automaton in
// one walk that turns back where the automaton does.
//
// Nodes are in depth-first order: the first child of node i is i + 1, and `skip` is the node after
// all that is below i.
//
// Threads  immutable: any number of readers. One per model.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/token_id.h"
#include "grammar/byte_set.h"

namespace quire {

// What the grammar needs to know of a tokenizer.
struct TokenTexts {
  std::vector<std::string_view> texts;  // by id: bytes as answers show them; empty: never chosen
  std::vector<TokenId> controls;        // tokens without a text that may stand in free text
  std::vector<TokenId> ends;            // tokens that end an answer, ascending; in no other list
};

class TokenTrie {
 public:
  // Copies what it needs. Texts beyond kMaxTokenBytes are never chosen.
  static constexpr size_t kMaxTokenBytes = 256;
  explicit TokenTrie(const TokenTexts& tokens);

  struct Node {
    uint8_t byte;
    uint16_t depth;  // of the first byte: 1
    uint32_t skip;
    uint32_t first_token;  // into tokens(); those of the next node begin where these end
  };
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const TokenId> TokensAt(uint32_t node) const;  // that end here; often none

  TokenId FirstTokenBelow(uint32_t node) const { return tokens_[nodes_[node].first_token]; }

  // The bytes of `token`; for control tokens those of ControlBytes; empty for all never chosen.
  std::string_view TextOf(TokenId token) const;
  bool IsEnd(TokenId token) const;
  bool IsControl(TokenId token) const;

  uint32_t vocab_size() const { return static_cast<uint32_t>(offsets_.size() - 1); }
  size_t num_words() const { return (size_t{vocab_size()} + 63) / 64; }  // of a mask
  uint32_t longest() const { return longest_; }                          // bytes of a token
  const ByteSet& single_bytes() const { return single_bytes_; }  // that are tokens by themselves
  std::span<const TokenId> ends() const { return ends_; }
  std::span<const TokenId> controls() const { return controls_; }

 private:
  void Build();

  std::vector<Node> nodes_;
  std::vector<TokenId> tokens_;    // in the order of their texts
  std::vector<uint32_t> offsets_;  // [vocab_size + 1], into bytes_
  std::vector<char> bytes_;
  std::vector<TokenId> ends_;
  std::vector<TokenId> controls_;
  ByteSet single_bytes_;
  uint32_t longest_ = 0;
};

}  // namespace quire
