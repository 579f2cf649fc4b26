#include "grammar/token_trie.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "grammar/parts.h"

namespace quire {
namespace {

bool Chosen(std::string_view text) {
  return !text.empty() && text.size() <= TokenTrie::kMaxTokenBytes &&
         std::ranges::all_of(text,
                             [](char c) { return static_cast<uint8_t>(c) < kFirstUnusedByte; });
}

}  // namespace

TokenTrie::TokenTrie(const TokenTexts& tokens) : ends_(tokens.ends), controls_(tokens.controls) {
  std::ranges::sort(ends_);
  std::ranges::sort(controls_);
  std::vector<std::string> texts(tokens.texts.begin(), tokens.texts.end());
  for (const TokenId token : controls_) texts[static_cast<size_t>(token)] = ControlBytes(token);
  for (const TokenId token : ends_) texts[static_cast<size_t>(token)].clear();
  offsets_.push_back(0);
  for (size_t token = 0; token < texts.size(); ++token) {
    if (Chosen(texts[token]) || IsControl(static_cast<TokenId>(token))) {
      bytes_.insert(bytes_.end(), texts[token].begin(), texts[token].end());
      longest_ = std::max(longest_, static_cast<uint32_t>(texts[token].size()));
      if (texts[token].size() == 1) single_bytes_.Add(static_cast<uint8_t>(texts[token][0]));
      tokens_.push_back(static_cast<TokenId>(token));
    }
    offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
  }
  Build();
}

// Sorted texts in order: a node per byte that the text before does not share.
void TokenTrie::Build() {
  std::ranges::sort(tokens_, [this](TokenId a, TokenId b) {
    const int order = TextOf(a).compare(TextOf(b));
    return order != 0 ? order < 0 : a < b;
  });
  std::vector<uint32_t> path;  // nodes of the text before
  const auto close = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back()) {
      nodes_[path.back()].skip = static_cast<uint32_t>(nodes_.size());
    }
  };
  std::string_view before;
  for (uint32_t i = 0; i < tokens_.size(); ++i) {
    const std::string_view text = TextOf(tokens_[i]);
    const size_t shared =
        static_cast<size_t>(std::ranges::mismatch(before, text).in1 - before.begin());
    close(shared);
    for (size_t at = shared; at < text.size(); ++at) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({.byte = static_cast<uint8_t>(text[at]),
                        .depth = static_cast<uint16_t>(at + 1),
                        .skip = 0,
                        .first_token = i});
    }
    before = text;
  }
  close(0);
}

std::span<const TokenId> TokenTrie::TokensAt(uint32_t node) const {
  const uint32_t begin = nodes_[node].first_token;
  const uint32_t end = node + 1 < nodes_.size() ? nodes_[node + 1].first_token
                                                : static_cast<uint32_t>(tokens_.size());
  return std::span(tokens_).subspan(begin, end - begin);
}

std::string_view TokenTrie::TextOf(TokenId token) const {
  if (token < 0 || static_cast<uint32_t>(token) >= vocab_size()) return {};
  const uint32_t begin = offsets_[static_cast<size_t>(token)];
  return {bytes_.data() + begin, offsets_[static_cast<size_t>(token) + 1] - begin};
}

bool TokenTrie::IsEnd(TokenId token) const { return std::ranges::binary_search(ends_, token); }

bool TokenTrie::IsControl(TokenId token) const {
  return std::ranges::binary_search(controls_, token);
}

}  // namespace quire
