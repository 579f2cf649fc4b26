#include "text/score_bpe.h"

#include <bit>
#include <string>

#include "text/utf8.h"

namespace quire {
namespace {

// Bytes of the character at `at`, or of what is no character.
uint32_t CharacterSize(std::string_view text, size_t at) {
  if (static_cast<uint8_t>(text[at]) < 0x80) return 1;
  return static_cast<uint32_t>(NextUtf8(text.substr(at)).size);
}

// A number that is lower for higher scores; equal scores give equal numbers.
uint64_t OrderOf(float score) {
  const uint32_t bits = std::bit_cast<uint32_t>(score + 0.0f);  // -0 becomes +0
  const uint32_t ascending = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return UINT32_MAX - ascending;
}

}  // namespace

ScoreBpe::ScoreBpe(const Vocabulary& vocabulary) : pairs_(kPairBits) {
  constexpr uint16_t kNeverFromText = kTokenControl | kTokenUnknown | kTokenByte;
  for (TokenId token = 0; token < static_cast<TokenId>(vocabulary.size()); ++token) {
    const std::string_view text = vocabulary.texts[token];
    if (vocabulary.Has(token, kNeverFromText) || text.empty()) continue;
    texts_.Add(text);
    tokens_.push_back(token);
    orders_.push_back(OrderOf(vocabulary.scores[token]));
    AddPairs(text);
  }
  whole_ = std::vector<std::atomic<Whole>>(texts_.size());
  FillByteTokens(vocabulary);
}

size_t ScoreBpe::PairBit(std::string_view left, std::string_view right) {
  uint64_t key = 0;
  for (const char byte : left) key = key << 8 | static_cast<uint8_t>(byte);
  for (const char byte : right) key = key << 8 | static_cast<uint8_t>(byte);
  return (key * 0x9E3779B97F4A7C15u >> 32) % kPairBits;
}

void ScoreBpe::AddPairs(std::string_view text) {
  std::string_view left;
  for (size_t at = 0; at < text.size();) {
    const std::string_view right = text.substr(at, CharacterSize(text, at));
    if (!left.empty()) pairs_[PairBit(left, right)] = true;
    at += right.size();
    left = right;
  }
}

void ScoreBpe::FillByteTokens(const Vocabulary& vocabulary) {
  PieceTable byte_texts;
  std::vector<TokenId> ids;
  for (TokenId token = 0; token < static_cast<TokenId>(vocabulary.size()); ++token) {
    const std::string_view text = vocabulary.texts[token];
    if (vocabulary.Has(token, kTokenControl) || text.size() != 6) continue;
    if (byte_texts.Add(text) == ids.size()) ids.push_back(token);
  }
  constexpr char kHex[] = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    const char text[] = {'<', '0', 'x', kHex[byte >> 4], kHex[byte & 15], '>', 0};
    const char raw = static_cast<char>(byte);
    const uint32_t by_name = byte_texts.Find(text);
    const uint32_t by_itself = texts_.Find({&raw, 1});
    byte_tokens_[byte] = by_name != PieceTable::kNone     ? ids[by_name]
                         : by_itself != PieceTable::kNone ? tokens_[by_itself]
                                                          : vocabulary.unknown;
  }
}

void ScoreBpe::Append(std::string_view text, Merger& merger, std::vector<TokenId>& out) const {
  size_t begin = 0;
  std::string_view left;
  for (size_t at = 0; at < text.size();) {
    const std::string_view right = text.substr(at, CharacterSize(text, at));
    if (!left.empty() && !pairs_[PairBit(left, right)]) {
      AppendStretch(text.substr(begin, at - begin), merger, out);
      begin = at;
    }
    at += right.size();
    left = right;
  }
  if (begin < text.size()) AppendStretch(text.substr(begin), merger, out);
}

void ScoreBpe::AppendStretch(std::string_view text, Merger& merger,
                             std::vector<TokenId>& out) const {
  const uint32_t known = texts_.Find(text);
  if (known != PieceTable::kNone && whole_[known].load(std::memory_order_relaxed) == Whole::kYes) {
    out.push_back(tokens_[known]);
    return;
  }
  auto& symbols = merger.symbols;
  symbols.clear();
  for (uint32_t at = 0; at < text.size();) {
    const uint32_t size = CharacterSize(text, at);
    symbols.push_back({at, size, texts_.Find(text.substr(at, size))});
    at += size;
  }
  merger.Run([&](const Symbol& left, const Symbol& right) -> Merge {
    const uint32_t joined = texts_.Find(text.substr(left.begin, left.size + right.size));
    if (joined == PieceTable::kNone) return {};
    return {orders_[joined], joined};
  });
  if (known != PieceTable::kNone) {
    const bool whole = symbols.size() == 1;
    whole_[known].store(whole ? Whole::kYes : Whole::kNo, std::memory_order_relaxed);
  }
  for (const Symbol& symbol : symbols) {
    if (symbol.unit != PieceTable::kNone) {
      out.push_back(tokens_[symbol.unit]);
      continue;
    }
    for (const char byte : text.substr(symbol.begin, symbol.size)) {
      const TokenId token = byte_tokens_[static_cast<uint8_t>(byte)];
      if (token != kNoToken) out.push_back(token);
    }
  }
}

}  // namespace quire
