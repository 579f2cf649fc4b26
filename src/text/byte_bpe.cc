#include "text/byte_bpe.h"

#include <string>

namespace quire {

ByteBpe::ByteBpe(const Vocabulary& vocabulary, bool ignores_merges)
    : ignores_merges_(ignores_merges) {
  size_t bytes_at_most = 256;  // a printed byte is never shorter than the byte
  for (const std::string_view text : vocabulary.texts) bytes_at_most += text.size();
  units_.Reserve(vocabulary.size() + 256, bytes_at_most);
  for (int byte = 0; byte < 256; ++byte) units_.Add(std::string(1, static_cast<char>(byte)));
  tokens_.assign(256, kNoToken);
  std::string bytes;
  for (TokenId token = 0; token < static_cast<TokenId>(vocabulary.size()); ++token) {
    const std::string_view text = vocabulary.texts[token];
    if (vocabulary.Has(token, kTokenControl | kTokenUnknown) || text.empty()) continue;
    if (!BytesFromPrintable(text, &bytes)) continue;
    const uint32_t unit = units_.Add(bytes);
    tokens_.resize(units_.size(), kNoToken);
    tokens_[unit] = token;
  }

  rules_.resize(1024);
  while (rules_.size() < vocabulary.merges.size() * 2) rules_.resize(rules_.size() * 2);
  std::string left;
  std::string right;
  for (uint32_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const std::string_view merge = vocabulary.merges[rank];
    const size_t space = merge.find(' ', 1);
    // A merge of what no byte is written as can never apply.
    if (space == merge.npos || !BytesFromPrintable(merge.substr(0, space), &left) ||
        !BytesFromPrintable(merge.substr(space + 1), &right) || left.empty() || right.empty()) {
      continue;
    }
    const uint64_t left_unit = units_.Add(left);
    const uint64_t right_unit = units_.Add(right);
    AddRule(left_unit << 32 | right_unit, rank, units_.Add(left + right));
  }
  tokens_.resize(units_.size(), kNoToken);
  whole_ = std::vector<std::atomic<Whole>>(units_.size());
}

void ByteBpe::AddRule(uint64_t pair, uint32_t rank, uint32_t unit) {
  Rule& rule = rules_[RuleSlot(pair)];
  if (rule.pair == pair) return;  // the first of two equal merges counts
  rule = {pair, rank, unit};
}

size_t ByteBpe::RuleSlot(uint64_t pair) const {
  const size_t mask = rules_.size() - 1;
  size_t slot = (pair * 0x9E3779B97F4A7C15u >> 24) & mask;
  while (rules_[slot].pair != pair && rules_[slot].pair != UINT64_MAX) slot = (slot + 1) & mask;
  return slot;
}

void ByteBpe::Append(std::string_view word, Merger& merger, std::vector<TokenId>& out) const {
  const uint32_t known = units_.Find(word);
  const bool is_token = known != PieceTable::kNone && tokens_[known] != kNoToken;
  if (is_token &&
      (ignores_merges_ || whole_[known].load(std::memory_order_relaxed) == Whole::kYes)) {
    out.push_back(tokens_[known]);
    return;
  }
  auto& symbols = merger.symbols;
  symbols.clear();
  for (uint32_t i = 0; i < word.size(); ++i) {
    symbols.push_back({i, 1, static_cast<uint8_t>(word[i])});
  }
  merger.Run([this](const Symbol& left, const Symbol& right) -> Merge {
    const uint64_t pair = static_cast<uint64_t>(left.unit) << 32 | right.unit;
    const Rule& rule = rules_[RuleSlot(pair)];
    if (rule.pair != pair) return {};
    return {rule.rank, rule.unit};
  });
  if (is_token) {
    const bool whole = symbols.size() == 1;
    whole_[known].store(whole ? Whole::kYes : Whole::kNo, std::memory_order_relaxed);
  }
  for (const Symbol& symbol : symbols) {
    AppendUnit(symbol.unit, word.substr(symbol.begin, symbol.size), out);
  }
}

void ByteBpe::AppendUnit(uint32_t unit, std::string_view bytes, std::vector<TokenId>& out) const {
  if (tokens_[unit] != kNoToken) {
    out.push_back(tokens_[unit]);
    return;
  }
  for (const char byte : bytes) {
    const TokenId token = tokens_[static_cast<uint8_t>(byte)];
    if (token != kNoToken) out.push_back(token);
  }
}

}  // namespace quire
