// text/byte_bpe.h -- words to token ids by merging bytes in the order the vocabulary learned.
//
// Works on bytes: the printable form of files is undone at load. Control and unknown tokens are
// not in the tables, so no word can become one.
//
// Threads  Append may be called by any number of threads, each with its own Merger.
// Cost     O(n log n) in the bytes of a word; a word that is a token costs one hash lookup.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/token_id.h"
#include "text/merge_symbols.h"
#include "text/piece_table.h"
#include "text/vocabulary.h"

namespace quire {

class ByteBpe {
 public:
  // With `ignores_merges` a word that is a token becomes it even if merges would not make it.
  ByteBpe(const Vocabulary& vocabulary, bool ignores_merges);

  // Appends the tokens of `word` to `out`; bytes that the vocabulary lacks are dropped.
  void Append(std::string_view word, Merger& merger, std::vector<TokenId>& out) const;

 private:
  // Whether merging the bytes of a unit gives just that unit: found out when first needed.
  enum class Whole : uint8_t { kUnknown, kYes, kNo };

  struct Rule {
    uint64_t pair = UINT64_MAX;  // left unit << 32 | right unit
    uint32_t rank = 0;
    uint32_t unit = 0;
  };

  void AddRule(uint64_t pair, uint32_t rank, uint32_t unit);
  size_t RuleSlot(uint64_t pair) const;
  void AppendUnit(uint32_t unit, std::string_view bytes, std::vector<TokenId>& out) const;

  PieceTable units_;             // 0..255: the bytes; then tokens and parts of merges
  std::vector<TokenId> tokens_;  // [units_.size()], kNoToken for what is no token
  std::vector<Rule> rules_;      // hash table by pair: power of two, at most half full
  mutable std::vector<std::atomic<Whole>> whole_;  // [units_.size()]
  bool ignores_merges_;
};

}  // namespace quire
