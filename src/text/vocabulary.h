// text/vocabulary.h -- the tokens of a model as its file lists them, checked and made sense of.
//
// Beside the lists themselves a file says little: which tokens end an answer, for instance, must
// be guessed from their texts. The guesses here are those of llama.cpp, since files are made for
// it, with one exception: what a file calls a control token stays one when text is encoded.
//
// Invariants of a loaded vocabulary:
//   V1  all lists have one entry per token; every special id is kNoToken or a token.
//   V2  no two tokens have the same text, except that any number may be empty.
//   V3  texts are valid UTF-8, scores are numbers.
//
// Owner    what only the tables of a tokenizer are made from points into the file, until
// ForgetFile. Threads  immutable after Load. Errors: kCorrupt for a broken vocabulary, kUnsupported
// by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "gguf/gguf_file.h"
#include "text/text_list.h"

namespace quire {

// What a token is; a set, since guesses add to what the file says.
enum TokenFlag : uint16_t {
  kTokenNormal = 1,
  kTokenUnknown = 2,
  kTokenControl = 4,
  kTokenUserDefined = 8,  // matches in any text before words are split
  kTokenUnused = 16,
  kTokenByte = 32,
  kTokenStripsLeft = 64,    // swallows white space before it
  kTokenStripsRight = 128,  // and after it
  kTokenShown = 256,        // a control token that answers show (channels of gpt-oss)
};

enum class VocabularyKind { kByteLevel, kByScore };

struct Vocabulary {
  VocabularyKind kind;
  std::string pre_tokenizer;               // name; empty for kByScore
  TextList pieces;                         // the bytes a token stands for
  std::vector<uint16_t> flags;             // of TokenFlag
  std::vector<std::string_view> texts;     // as stored: encoded bytes, or U+2581 for spaces
  std::vector<float> scores;               // kByScore only
  std::vector<std::string_view> merges;    // kByteLevel only: "left right", best first
  std::vector<TokenId> end_of_generation;  // ascending

  TokenId bos = kNoToken;
  TokenId eos = kNoToken;
  TokenId unknown = kNoToken;
  TokenId padding = kNoToken;
  bool adds_bos = false;
  bool adds_eos = false;
  bool adds_space_prefix = false;  // kByScore only

  static Result<Vocabulary> Load(const GgufFile& file);

  // Drops texts, scores and merges: the file may then be closed.
  void ForgetFile();

  uint32_t size() const { return static_cast<uint32_t>(flags.size()); }
  bool Has(TokenId token, uint16_t any_of) const { return (flags[token] & any_of) != 0; }
};

// GPT-2's way to write any byte as a printable character: the character of `byte`, as UTF-8.
std::string_view PrintableByte(uint8_t byte);

// The bytes that `text` writes in that way; false if a character is none of the 256.
bool BytesFromPrintable(std::string_view text, std::string* bytes);

}  // namespace quire
