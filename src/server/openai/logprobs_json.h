// server/openai/logprobs_json.h -- log-probabilities in OpenAI's two formats.
//
//   chat         {"content": [{"token", "logprob", "bytes", "top_logprobs": [...]}]}
//   completions  {"tokens", "token_logprobs", "top_logprobs", "text_offset"}
//
// A token need not be whole characters. In chat its text then shows U+FFFD and `bytes` is exact; in
// completions it is written "bytes:\xe2\x82". A probability of zero is written as -9999.
// `text_offset` counts characters from the beginning of the choice's `text`.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "model/sampler.h"
#include "server/openai/json_writer.h"

namespace quire {

class Tokenizer;

class ChatLogprobs {
 public:
  void Add(const Tokenizer& tokenizer, const SampledToken& sampled);
  void Write(JsonWriter& json) const;

 private:
  JsonWriter items_;
};

class CompletionLogprobs {
 public:
  // The first token of a prompt has no log-probability.
  enum class Known { kYes, kNo };
  void Add(const Tokenizer& tokenizer, const SampledToken& sampled, size_t text_offset,
           Known known = Known::kYes);
  void Write(JsonWriter& json) const;

 private:
  JsonWriter tokens_;
  JsonWriter logprobs_;
  JsonWriter top_;
  JsonWriter offsets_;
};

// Characters (code points) in valid UTF-8.
size_t CountCharacters(std::string_view text);

// Counts the characters of a text that comes in pieces which may end inside one: it counts with its
// last byte. A byte that belongs to none counts as one, as in ToValidUtf8.
class CharacterCounter {
 public:
  void Add(std::string_view piece);
  size_t characters() const { return characters_; }

 private:
  size_t characters_ = 0;
  size_t seen_ = 0;     // bytes of a character begun
  size_t missing_ = 0;  // bytes it still needs
};

}  // namespace quire
