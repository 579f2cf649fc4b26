#include "text/tokenizer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "text/byte_bpe.h"
#include "text/merge_symbols.h"
#include "text/pre_tokenizer.h"
#include "text/score_bpe.h"
#include "text/special_splitter.h"
#include "text/vocabulary.h"

namespace quire {
namespace {

constexpr std::string_view kEscapedSpace = "\xE2\x96\x81";  // U+2581

}  // namespace

struct Tokenizer::Impl {
  explicit Impl(Vocabulary loaded)
      : vocabulary(std::move(loaded)),
        user_defined(vocabulary, kTokenUserDefined, kTokenControl | kTokenUnknown),
        special(vocabulary, kTokenUserDefined | kTokenControl | kTokenUnknown, 0) {}

  void AppendText(std::string_view text, Merger& merger, std::vector<TokenId>& out) const {
    uint32_t begin = 0;
    for (const uint32_t end : words->Split(text)) {
      by_bytes->Append(text.substr(begin, end - begin), merger, out);
      begin = end;
    }
  }

  // By score; `prefixed` puts the space before the first word that every other word has.
  void AppendEscaped(std::string_view text, bool prefixed, Merger& merger,
                     std::vector<TokenId>& out) const {
    std::string escaped(prefixed ? kEscapedSpace : "");
    escaped.reserve(text.size() + text.size() / 2);
    for (const char c : text) {
      if (c == ' ') {
        escaped.append(kEscapedSpace);
      } else {
        escaped.push_back(c);
      }
    }
    by_score->Append(escaped, merger, out);
  }

  Vocabulary vocabulary;
  const SpecialSplitter user_defined;  // what matches in any text
  const SpecialSplitter special;       // what matches with parse_special
  std::optional<PreTokenizer> words;   // these two: byte-level
  std::unique_ptr<const ByteBpe> by_bytes;
  std::unique_ptr<const ScoreBpe> by_score;
  std::string name;
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

Result<std::unique_ptr<Tokenizer>> Tokenizer::Create(const GgufFile& file) {
  QUIRE_TRY(Vocabulary vocabulary, Vocabulary::Load(file));
  auto impl = std::make_unique<Impl>(std::move(vocabulary));
  if (impl->vocabulary.kind == VocabularyKind::kByteLevel) {
    QUIRE_TRY(PreTokenizer words, PreTokenizer::Create(impl->vocabulary.pre_tokenizer));
    impl->by_bytes = std::make_unique<ByteBpe>(impl->vocabulary, words.ignores_merges());
    impl->words = std::move(words);
    impl->name = "gpt2/" + impl->vocabulary.pre_tokenizer;
  } else {
    impl->by_score = std::make_unique<ScoreBpe>(impl->vocabulary);
    impl->name = "llama";
  }
  impl->vocabulary.ForgetFile();
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(impl)));
}

std::vector<TokenId> Tokenizer::Encode(std::string_view text, EncodeOptions options) const {
  const Vocabulary& vocabulary = impl_->vocabulary;
  std::vector<TokenId> out;
  out.reserve(text.size() / 3 + 4);
  if (options.add_special && vocabulary.adds_bos) out.push_back(vocabulary.bos);
  Merger merger;
  bool after_token = true;  // or at the start
  const SpecialSplitter& splitter = options.parse_special ? impl_->special : impl_->user_defined;
  for (const auto& fragment : splitter.Split(text)) {
    const std::string_view part = text.substr(fragment.begin, fragment.end - fragment.begin);
    if (fragment.token != kNoToken) {
      out.push_back(fragment.token);
    } else if (impl_->by_bytes) {
      impl_->AppendText(part, merger, out);
    } else {
      impl_->AppendEscaped(part, vocabulary.adds_space_prefix && after_token, merger, out);
    }
    after_token = fragment.token != kNoToken;
  }
  if (options.add_special && vocabulary.adds_eos) out.push_back(vocabulary.eos);
  return out;
}

std::string_view Tokenizer::Piece(TokenId token) const {
  if (token < 0 || static_cast<uint32_t>(token) >= vocab_size()) return {};
  return impl_->vocabulary.pieces[token];
}

std::string Tokenizer::Decode(std::span<const TokenId> tokens, bool with_special) const {
  std::string text;
  bool strip = strips_leading_space();
  for (const TokenId token : tokens) {
    if (!with_special && IsControl(token)) continue;
    std::string_view piece = Piece(token);
    if (strip && piece.starts_with(' ')) piece.remove_prefix(1);
    strip = false;
    text.append(piece);
  }
  return text;
}

bool Tokenizer::IsControl(TokenId token) const {
  if (token < 0 || static_cast<uint32_t>(token) >= vocab_size()) return false;
  return impl_->vocabulary.Has(token, kTokenControl | kTokenUnknown) &&
         !impl_->vocabulary.Has(token, kTokenShown);
}

bool Tokenizer::IsEndOfGeneration(TokenId token) const {
  const auto& ends = end_of_generation();
  return std::binary_search(ends.begin(), ends.end(), token);
}

const std::vector<TokenId>& Tokenizer::end_of_generation() const {
  return impl_->vocabulary.end_of_generation;
}

TokenId Tokenizer::bos() const { return impl_->vocabulary.bos; }
TokenId Tokenizer::eos() const { return impl_->vocabulary.eos; }
TokenId Tokenizer::unknown() const { return impl_->vocabulary.unknown; }
TokenId Tokenizer::padding() const { return impl_->vocabulary.padding; }
bool Tokenizer::adds_bos() const { return impl_->vocabulary.adds_bos; }
bool Tokenizer::adds_eos() const { return impl_->vocabulary.adds_eos; }
uint32_t Tokenizer::vocab_size() const { return impl_->vocabulary.size(); }
bool Tokenizer::strips_leading_space() const { return impl_->vocabulary.adds_space_prefix; }
const std::string& Tokenizer::name() const { return impl_->name; }

}  // namespace quire
