// server/openai/chat_answer.h -- answers in the shape of chat.completion and its chunks.
//
// A choice's text is taken apart (reply/reply_parser.h) into content, reasoning_content and
// tool_calls. Each piece of a stream is a chunk of its own; log-probabilities go with the first
// chunk of their token.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "reply/reply_message.h"
#include "reply/reply_parser.h"
#include "server/openai/answer.h"
#include "server/openai/logprobs_json.h"

namespace quire {

class OpenAiChatAnswer final : public OpenAiAnswer {
 public:
  explicit OpenAiChatAnswer(AnswerFacts facts);

  // In a stream: one chunk per choice that names the role.
  void Begin(std::string& out) override;

 private:
  // What is said by one choice.
  struct Speech {
    std::unique_ptr<ReplyParser> parser;
    ReplyMessage message;  // unused in a stream
    uint32_t whole_calls = 0;
    ChatLogprobs logprobs;  // unused in a stream
  };

  std::string_view object(bool chunk) const override;
  void Say(Choice& choice, std::string_view text, const SampledToken* sampled,
           std::string& out) override;
  void FinishSaying(Choice& choice, std::string& out) override;
  std::string_view finish_name(const Choice& choice) const override;
  void Keep(const Choice& choice, const SampledToken& sampled) override;
  void WritePiece(const Choice& choice, const Piece& piece, JsonWriter& json) override;
  void WriteWhole(const Choice& choice, JsonWriter& json) override;

  void Tell(Choice& choice, const ReplyEvents& events, const SampledToken* sampled,
            std::string& out);
  void SendDelta(const Choice& choice, const std::string& delta, const SampledToken* sampled,
                 std::string& out);

  std::vector<Speech> speeches_;  // by choice
};

}  // namespace quire
