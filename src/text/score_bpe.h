// text/score_bpe.h -- text to token ids as SentencePiece's BPE does it: the join that gives the
// token with the highest score goes first.
//
// There are no words: a whole text is one. But where no token holds two characters side by side,
// no merge can ever cross, so the text is cut there first; that is exact, and makes most pieces
// as short as words. A character that is no token becomes the tokens of its bytes.
//
// Control, unknown and byte tokens are not in the table, so that no text can become one.
//
// Threads  Append may be called by any number of threads, each with its own Merger.
// Cost     O(n log n) in the longest stretch that cannot be cut.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/token_id.h"
#include "text/merge_symbols.h"
#include "text/piece_table.h"
#include "text/vocabulary.h"

namespace quire {

class ScoreBpe {
 public:
  explicit ScoreBpe(const Vocabulary& vocabulary);

  // Appends the tokens of `text`, in which spaces are already U+2581.
  void Append(std::string_view text, Merger& merger, std::vector<TokenId>& out) const;

 private:
  enum class Whole : uint8_t { kUnknown, kYes, kNo };

  // Which pairs of characters stand side by side in some token. May say yes where the answer is
  // no (several pairs share a bit), which costs time only.
  static constexpr size_t kPairBits = size_t{1} << 22;  // 512 KiB
  static size_t PairBit(std::string_view left, std::string_view right);
  void AddPairs(std::string_view text);
  void FillByteTokens(const Vocabulary& vocabulary);
  void AppendStretch(std::string_view text, Merger& merger, std::vector<TokenId>& out) const;

  PieceTable texts_;
  std::vector<TokenId> tokens_;                    // [texts_.size()]
  std::vector<uint64_t> orders_;                   // [texts_.size()], lower for higher scores
  mutable std::vector<std::atomic<Whole>> whole_;  // as in ByteBpe
  std::array<TokenId, 256> byte_tokens_;           // kNoToken where even that is missing
  std::vector<bool> pairs_;                        // [kPairBits]
};

}  // namespace quire
