// text/detokenizer.h -- the text of tokens as they come, never with half a character in it.
//
// Everything that Append and Finish return, joined, is the pieces of the tokens joined, with each
// maximal part that is not UTF-8 replaced by U+FFFD, whatever the cuts were. What Append returns
// is always valid UTF-8: bytes that may begin a character wait for the next token.
//
// The tokens continue a text, as an answer continues its prompt: a first leading space stays.
//
// Threads  none: one per answer. Cost: proportional to the bytes of the token.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/token_id.h"
#include "text/tokenizer.h"

namespace quire {

class Detokenizer {
 public:
  // `tokenizer` outlives this. Control tokens are left out unless `with_special` or among `shown`.
  explicit Detokenizer(const Tokenizer& tokenizer, bool with_special = false,
                       std::vector<TokenId> shown = {});

  std::string Append(TokenId token);

  // What still waited, as U+FFFD; nothing may be appended afterwards.
  std::string Finish();

 private:
  const Tokenizer& tokenizer_;
  const bool with_special_;
  const std::vector<TokenId> shown_;
  std::string pending_;  // at most 3 bytes: the beginning of a character
};

// Appends to `out` what of `pending` + `bytes` is complete, invalid parts as U+FFFD, and leaves in
// `pending` the (at most 3) bytes that may still become a character.
void AppendValidUtf8(std::string_view bytes, std::string& pending, std::string& out);

}  // namespace quire
