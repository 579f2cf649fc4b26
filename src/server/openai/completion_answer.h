// server/openai/completion_answer.h -- answers in the shape of text_completion.
//
// With `echo` every choice begins with its prompt; with log-probabilities too, the prompt's tokens
// come first in them, the first without a value.
#pragma once

#include <string>
#include <vector>

#include "server/openai/answer.h"
#include "server/openai/logprobs_json.h"

namespace quire {

class CompletionAnswer final : public OpenAiAnswer {
 public:
  // `echoes`: the text of each prompt; empty without echo.
  CompletionAnswer(AnswerFacts facts, std::vector<std::string> echoes);

  void Begin(std::string& out) override;

 private:
  std::string_view object(bool chunk) const override;
  void OnPrompt(uint32_t prompt, const PromptEvent& event, std::string& out) override;
  void Keep(const Choice& choice, const SampledToken& sampled) override;
  void WritePiece(const Choice& choice, const Piece& piece, JsonWriter& json) override;
  void WriteWhole(const Choice& choice, JsonWriter& json) override;
  void Echo(uint32_t prompt, const PromptEvent* event, std::string& out);

  std::vector<std::string> echoes_;
  std::vector<CompletionLogprobs> logprobs_;  // by choice; unused in a stream
};

}  // namespace quire
