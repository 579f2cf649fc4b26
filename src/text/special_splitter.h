// text/special_splitter.h -- finds tokens that are matched in a text as they are, before words.
//
// Longer tokens win over shorter ones wherever they overlap, also over those that begin earlier;
// of equally long ones the lower id. Some tokens swallow the white space beside them.
//
// Threads  immutable: any number of callers.
// Cost     linear in the text, with a few hash lookups where a token's first byte occurs; where
//          different tokens overlap, times their number.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/token_id.h"
#include "text/piece_table.h"
#include "text/vocabulary.h"

namespace quire {

class SpecialSplitter {
 public:
  // Matches the tokens of `vocabulary` that have any flag of `any_of` and none of `none_of`.
  SpecialSplitter(const Vocabulary& vocabulary, uint16_t any_of, uint16_t none_of);

  // A stretch of the text, not empty: a token, or (kNoToken) text between tokens.
  struct Fragment {
    uint32_t begin;
    uint32_t end;
    TokenId token;
  };
  std::vector<Fragment> Split(std::string_view text) const;

 private:
  // Texts that overlap or touch one another, and the tokens found there.
  struct Cluster {
    uint32_t begin = 0;
    uint32_t end = 0;
    std::vector<uint32_t> entries;  // indices of entries_, distinct
  };
  struct Entry {
    TokenId token;
    uint16_t flags;
  };
  void FindAt(std::string_view text, uint32_t at, Cluster& cluster) const;
  void Flush(std::string_view text, Cluster& cluster, std::vector<Fragment>& fragments) const;
  std::vector<Fragment> Place(std::string_view text, uint32_t entry,
                              const std::vector<Fragment>& fragments) const;

  PieceTable texts_;
  std::vector<Entry> entries_;                    // [texts_.size()]
  std::array<std::vector<uint32_t>, 256> sizes_;  // by first byte, descending
  bool strips_ = false;
};

}  // namespace quire
