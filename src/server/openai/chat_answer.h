// server/openai/chat_answer.h -- answers in the shape of chat.completion and its chunks.
#pragma once

#include <string>
#include <vector>

#include "server/openai/answer.h"
#include "server/openai/logprobs_json.h"

namespace quire {

class ChatAnswer final : public Answer {
 public:
  explicit ChatAnswer(AnswerFacts facts);

  // In a stream: one chunk per choice that names the role.
  void Begin(std::string& out) override;

 private:
  std::string_view object(bool chunk) const override;
  void Keep(const Choice& choice, const SampledToken& sampled) override;
  void WritePiece(const Choice& choice, const Piece& piece, JsonWriter& json) override;
  void WriteWhole(const Choice& choice, JsonWriter& json) override;

  std::vector<ChatLogprobs> logprobs_;  // by choice; unused in a stream
};

}  // namespace quire
