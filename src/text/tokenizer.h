// text/tokenizer.h -- text to token ids and back, as the model's file defines it.
//
//   text -> partition (special and user-defined tokens) -> words (pre-tokenizer) -> merges -> ids
//
// Two kinds are read: byte-level BPE (`tokenizer.ggml.model` = gpt2) and SentencePiece-like BPE by
// score with byte fallback (llama). Any other kind, and an unknown pre-tokenizer name, is refused
// by name: a silently wrong split makes a model dumb without an error.
//
// Invariants:
//   T1  every id that Encode returns is in [0, vocab_size()).
//   T2  without parse_special no control token comes out of text, whatever the text is: user text
//       cannot smuggle one in. The tokens that add_special puts at the ends are not from text.
//   T3  Encode never fails: what a vocabulary cannot spell becomes its unknown token or is dropped
//       (some vocabularies lack single bytes). Bytes that are not UTF-8 survive where the
//       vocabulary has all 256 bytes.
//
// Threads  immutable after Create: any number of callers.
// Errors   a broken or unsupported vocabulary is an Error from Create (kCorrupt, kUnsupported).
// Cost     Encode is O(n log n) in the length of the longest word, linear in the text otherwise.
// Owner    everything is copied out of the file, which may be closed after Create.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "gguf/gguf_file.h"

namespace quire {

class Tokenizer {
 public:
  // Works on vocabulary-only files too.
  static Result<std::unique_ptr<Tokenizer>> Create(const GgufFile& file);
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  struct EncodeOptions {
    bool add_special = false;    // put BOS/EOS where the model asks for them
    bool parse_special = false;  // text such as "<|im_end|>" becomes the control token
  };
  std::vector<TokenId> Encode(std::string_view text, EncodeOptions options) const;
  std::vector<TokenId> Encode(std::string_view text) const { return Encode(text, {}); }

  // The bytes a token stands for; control tokens written out; empty for unused ones and for ids
  // out of range. Valid as long as the tokenizer.
  std::string_view Piece(TokenId token) const;

  // The pieces of `tokens` joined, control tokens left out unless `with_special`. May hold half
  // characters where the tokens do; what a SentencePiece model put before the first word to make
  // it look like any other word is taken away again.
  std::string Decode(std::span<const TokenId> tokens, bool with_special) const;

  bool IsControl(TokenId token) const;  // control or unknown: never shown to a user
  bool IsEndOfGeneration(TokenId token) const;
  const std::vector<TokenId>& end_of_generation() const;  // ascending

  TokenId bos() const;  // kNoToken if there is none; so the next three
  TokenId eos() const;
  TokenId unknown() const;
  TokenId padding() const;
  bool adds_bos() const;  // with add_special
  bool adds_eos() const;
  uint32_t vocab_size() const;

  // True if Decode takes one space away at the start of a text (SentencePiece's dummy prefix).
  bool strips_leading_space() const;

  // What people call it: "gpt2/llama-bpe", "llama".
  const std::string& name() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace quire
