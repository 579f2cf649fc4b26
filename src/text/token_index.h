// text/token_index.h -- finds a token by its text as the file writes it.
//
// Needed while a vocabulary is loaded, and not afterwards: one flat table, no node per token.
//
// Owner    texts are the caller's and outlive it. Threads  const functions from any number of
// threads. Cost  O(length) per call; at most 16 bytes per token.
#pragma once

#include <bit>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/token_id.h"

namespace quire {

class TokenIndex {
 public:
  // `texts`: by token.
  explicit TokenIndex(std::span<const std::string_view> texts)
      : texts_(texts), slots_(std::bit_ceil(2 * texts.size() + 2), kNoToken) {}

  // The token with the text of `token`: itself, unless another one was added before.
  TokenId Add(TokenId token) {
    TokenId& slot = slots_[SlotOf(texts_[static_cast<size_t>(token)])];
    if (slot == kNoToken) slot = token;
    return slot;
  }

  // kNoToken if none was added with that text.
  TokenId Find(std::string_view text) const { return slots_[SlotOf(text)]; }

 private:
  // The slot that holds `text`, or the empty one where it belongs.
  size_t SlotOf(std::string_view text) const {
    const size_t mask = slots_.size() - 1;
    size_t slot = std::hash<std::string_view>()(text) & mask;
    while (slots_[slot] != kNoToken && texts_[static_cast<size_t>(slots_[slot])] != text) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  std::span<const std::string_view> texts_;
  std::vector<TokenId> slots_;  // power of two, at most half full
};

}  // namespace quire
