#include "text/vocabulary.h"

#include <array>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "text/pre_tokenizer.h"
#include "text/special_tokens.h"
#include "text/utf8.h"

namespace quire {
namespace {

constexpr std::string_view kModelKey = "tokenizer.ggml.model";
constexpr std::string_view kPreKey = "tokenizer.ggml.pre";
constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581, a space in by-score vocabularies

std::unexpected<Error> Corrupt(std::string what) {
  return Refuse(ErrorCode::kCorrupt, "the model's vocabulary is broken: " + std::move(what));
}

// Printable ASCII and Latin-1 stand for themselves; the 68 others for U+0100, U+0101, ...
struct PrintableBytes {
  std::array<std::string, 256> text;
  std::array<int16_t, 0x144> byte_of;  // by character, -1 if none

  PrintableBytes() {
    byte_of.fill(-1);
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const bool itself = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      const uint32_t character = itself ? byte : next++;
      byte_of[character] = static_cast<int16_t>(byte);
      if (character < 0x80) {
        text[byte] = static_cast<char>(character);
      } else {
        text[byte] = {static_cast<char>(0xC0 | character >> 6),
                      static_cast<char>(0x80 | (character & 0x3F))};
      }
    }
  }
};

const PrintableBytes& Printables() {
  static const PrintableBytes bytes;
  return bytes;
}

Result<VocabularyKind> KindOf(const GgufFile& file) {
  const auto model = file.GetString(kModelKey);
  if (!model) {
    return Refuse(ErrorCode::kUnsupported,
                  "the file has no tokenizer (tokenizer.ggml.model is missing)");
  }
  if (*model == "gpt2") return VocabularyKind::kByteLevel;
  if (*model == "llama") return VocabularyKind::kByScore;
  return Refuse(ErrorCode::kUnsupported, "tokenizer.ggml.model '" + std::string(*model) +
                                             "' is not supported; Quire reads gpt2 (byte-level "
                                             "BPE) and llama (SentencePiece BPE)");
}

uint16_t FlagOfType(int64_t type) {
  switch (type) {
    case 1:
      return kTokenNormal;
    case 2:
      return kTokenUnknown;
    case 3:
      return kTokenControl;
    case 4:
      return kTokenUserDefined;
    case 5:
      return kTokenUnused;
    case 6:
      return kTokenByte;
    default:
      return 0;
  }
}

Result<std::vector<std::string_view>> LoadTexts(const GgufFile& file) {
  auto texts = file.GetStrings("tokenizer.ggml.tokens");
  if (!texts || texts->empty()) return Corrupt("tokenizer.ggml.tokens is missing or empty");
  if (texts->size() > INT32_MAX) return Corrupt("more tokens than ids");
  return *std::move(texts);
}

Result<TokenIndex> IndexTexts(std::span<const std::string_view> texts) {
  TokenIndex index(texts);
  for (TokenId i = 0; i < static_cast<TokenId>(texts.size()); ++i) {
    if (!IsValidUtf8(texts[i])) return Corrupt("token " + std::to_string(i) + " is not UTF-8");
    if (texts[i].empty()) continue;
    if (const TokenId earlier = index.Add(i); earlier != i) {
      return Corrupt("tokens " + std::to_string(earlier) + " and " + std::to_string(i) +
                     " have the same text");
    }
  }
  return index;
}

Status LoadFlags(const GgufFile& file, Vocabulary& vocabulary) {
  constexpr std::string_view kKey = "tokenizer.ggml.token_type";
  vocabulary.flags.assign(vocabulary.texts.size(), kTokenNormal);
  const auto types = file.GetInts(kKey);
  if (!types)
    return file.Has(kKey) ? Corrupt(std::string(kKey) + " is no list of integers") : Status();
  if (types->size() != vocabulary.size()) {
    return Corrupt(std::to_string(types->size()) + " token types for " +
                   std::to_string(vocabulary.size()) + " tokens");
  }
  for (size_t i = 0; i < types->size(); ++i) vocabulary.flags[i] = FlagOfType((*types)[i]);
  return {};
}

Status LoadScores(const GgufFile& file, Vocabulary& vocabulary) {
  if (const auto scores = file.GetFloats("tokenizer.ggml.scores")) {
    vocabulary.scores = *scores;
  } else if (const auto ranks = file.GetInts("tokenizer.ggml.scores")) {
    vocabulary.scores.assign(ranks->begin(), ranks->end());
  } else {
    return Corrupt("tokenizer.ggml.scores is missing or no list of numbers");
  }
  if (vocabulary.scores.size() != vocabulary.size()) {
    return Corrupt(std::to_string(vocabulary.scores.size()) + " scores for " +
                   std::to_string(vocabulary.size()) + " tokens");
  }
  for (const float score : vocabulary.scores) {
    if (std::isnan(score)) return Corrupt("a score is not a number");
  }
  return {};
}

Status LoadMerges(const GgufFile& file, Vocabulary& vocabulary) {
  auto merges = file.GetStrings("tokenizer.ggml.merges");
  if (!merges) return Corrupt("tokenizer.ggml.merges is missing or no list of strings");
  vocabulary.merges = *std::move(merges);
  const auto pre = file.GetString(kPreKey);
  if (!pre) {
    return Refuse(ErrorCode::kUnsupported,
                  "the file does not name its pre-tokenizer (tokenizer.ggml.pre is missing): "
                  "convert the model again with a current converter");
  }
  vocabulary.pre_tokenizer = *pre;
  return {};
}

// The byte that a token such as "<0x0A>" stands for.
std::optional<uint8_t> ByteOfText(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  int value = 0;
  for (const char c : text.substr(3, 2)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'A' && c <= 'F') && !(c >= 'a' && c <= 'f')) return std::nullopt;
    value = value * 16 + (digit ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return static_cast<uint8_t>(value);
}

std::string SpacesRestored(std::string_view text) {
  std::string restored;
  size_t begin = 0;
  for (size_t at; (at = text.find(kSpace, begin)) != text.npos; begin = at + kSpace.size()) {
    restored.append(text, begin, at - begin).append(" ");
  }
  return restored.append(text, begin);
}

std::string PieceOf(const Vocabulary& vocabulary, TokenId token) {
  const std::string_view text = vocabulary.texts[token];
  if (vocabulary.Has(token, kTokenControl | kTokenUnknown | kTokenUserDefined)) {
    return std::string(text);
  }
  if (vocabulary.Has(token, kTokenByte)) {
    const auto byte = ByteOfText(text);
    return byte ? std::string(1, static_cast<char>(*byte)) : std::string();
  }
  if (!vocabulary.Has(token, kTokenNormal)) return {};
  if (vocabulary.kind == VocabularyKind::kByScore) return SpacesRestored(text);
  std::string bytes;
  return BytesFromPrintable(text, &bytes) ? bytes : std::string(text);
}

void MakePieces(Vocabulary& vocabulary) {
  for (TokenId i = 0; i < static_cast<TokenId>(vocabulary.size()); ++i) {
    vocabulary.pieces.Add(PieceOf(vocabulary, i));
  }
  vocabulary.pieces.ShrinkToFit();
}

}  // namespace

std::string_view PrintableByte(uint8_t byte) { return Printables().text[byte]; }

bool BytesFromPrintable(std::string_view text, std::string* bytes) {
  bytes->clear();
  const auto& byte_of = Printables().byte_of;
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t character = static_cast<uint8_t>(text[i]);
    if (character >= 0x80) {
      if (character < 0xC2 || character > 0xDF || i + 1 == text.size()) return false;
      character = (character & 0x1F) << 6 | (static_cast<uint8_t>(text[++i]) & 0x3F);
    }
    if (character >= byte_of.size() || byte_of[character] < 0) return false;
    bytes->push_back(static_cast<char>(byte_of[character]));
  }
  return true;
}

void Vocabulary::ForgetFile() {
  texts = {};
  scores = {};
  merges = {};
}

Result<Vocabulary> Vocabulary::Load(const GgufFile& file) {
  Vocabulary vocabulary;
  QUIRE_TRY(vocabulary.kind, KindOf(file));
  QUIRE_TRY(vocabulary.texts, LoadTexts(file));
  QUIRE_TRY(const TokenIndex ids, IndexTexts(vocabulary.texts));
  if (auto status = LoadFlags(file, vocabulary); !status) return std::unexpected(status.error());
  if (vocabulary.kind == VocabularyKind::kByScore) {
    if (auto status = LoadScores(file, vocabulary); !status) {
      return std::unexpected(status.error());
    }
    vocabulary.adds_bos = true;
    vocabulary.adds_space_prefix = file.GetBool("tokenizer.ggml.add_space_prefix").value_or(true);
  } else {
    if (auto status = LoadMerges(file, vocabulary); !status) {
      return std::unexpected(status.error());
    }
    QUIRE_TRY(const PreTokenizerTraits traits, FindPreTokenizer(vocabulary.pre_tokenizer));
    vocabulary.adds_bos = traits.adds_bos;
  }
  if (auto status = FindSpecialTokens(file, ids, vocabulary); !status) {
    return std::unexpected(status.error());
  }
  MakePieces(vocabulary);
  return vocabulary;
}

}  // namespace quire
