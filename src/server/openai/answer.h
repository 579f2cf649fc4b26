// server/openai/answer.h -- answers in the shapes of OpenAI's completions, whole or as a stream.
//
// The last content chunk of a stream waits for the receipt, so
// that `quire` and `usage` come with the last chunk.
//
// A request may have several prompts (completions) and several choices each; choice c of prompt p
// has index p * choices + c.
//
// Threads  none. Owner: holds all text until End, bounded by max_tokens of the request.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/event.h"
#include "reply/reply_parser.h"
#include "server/answer/answer_writer.h"
#include "server/openai/error_body.h"
#include "server/openai/json_writer.h"
#include "server/openai/receipt.h"

namespace quire {

class Tokenizer;

struct AnswerFacts {
  std::string id;  // "chatcmpl-..." or "cmpl-..."
  int64_t created = 0;
  std::string model;
  ReceiptNotes notes;
  bool stream = false;
  bool include_usage = false;
  bool logprobs = false;
  uint32_t choices = 1;  // per prompt
  uint32_t prompts = 1;
  std::shared_ptr<const Tokenizer> tokenizer;
  ReplyOptions reply;             // chat only: how calls and reasoning are told from content
  bool legacy_functions = false;  // chat only: a call is written as `function_call`
};

// OpenAI's word for why a choice ended.
std::string_view FinishReasonName(FinishReason reason);

// "data: {...}\n\n" around a JSON text.
void AppendSse(std::string_view json, std::string& out);
// An error as the last event of a stream.
void AppendSseError(const ApiError& error, std::string& out);

class OpenAiAnswer : public AnswerWriter {
 public:
  explicit OpenAiAnswer(AnswerFacts facts);

  void Take(uint32_t prompt, Event event, std::string& out) override;
  void End(std::string& out) override;
  void Break(const ApiError& error, std::string& out) override { AppendSseError(error, out); }

  bool streams() const override { return facts_.stream; }
  bool done() const override { return prompts_done_ == facts_.prompts; }
  bool failed() const override { return error_.has_value(); }
  const Error& error() const override { return *error_; }
  // "stop", "length" per choice, once done.
  std::vector<std::string_view> finish_reasons() const override;
  const AnswerFacts& facts() const { return facts_; }

 protected:
  struct Choice {
    uint32_t index = 0;
    std::string text;
    size_t characters = 0;  // of `text`, or of what was streamed
    FinishReason reason = FinishReason::kStop;
    std::string logit_hash;
  };
  // A token's, or a choice's last, contribution. `sampled` is null without log-probabilities.
  struct Piece {
    std::string_view text;
    const SampledToken* sampled = nullptr;
    std::optional<FinishReason> finish;
  };

  virtual std::string_view object(bool chunk) const = 0;  // of the JSON object
  virtual void OnPrompt(uint32_t prompt, const PromptEvent& event, std::string& out);
  // Adds a text to a choice: sends it in a stream, else keeps it. `sampled` may be null.
  virtual void Say(Choice& choice, std::string_view text, const SampledToken* sampled,
                   std::string& out);
  virtual void FinishSaying(Choice& choice, std::string& out);  // its text is over
  virtual std::string_view finish_name(const Choice& choice) const;
  // Keeps the log-probabilities of a token for the whole answer.
  virtual void Keep(const Choice& choice, const SampledToken& sampled) = 0;
  virtual void WritePiece(const Choice& choice, const Piece& piece, JsonWriter& json) = 0;
  virtual void WriteWhole(const Choice& choice, JsonWriter& json) = 0;

  void WriteHead(bool chunk, JsonWriter& json) const;
  // Sends a chunk whose one choice is this JSON object.
  void SendChoice(std::string_view choice_json, std::string& out);
  std::vector<Choice>& choices() { return choices_; }

 private:
  void OnToken(Choice& choice, const TokenEvent& event, std::string& out);
  void OnChoiceEnd(Choice& choice, ChoiceEndEvent event, std::string& out);
  void FlushHeld(std::string& out);
  void WriteEndFields(JsonWriter& json, bool usage);

  AnswerFacts facts_;
  std::vector<Choice> choices_;  // [prompts * choices]
  std::vector<Receipt> receipts_;
  std::string held_;  // the choice of a finished chunk, not yet sent
  uint32_t prompts_done_ = 0;
  std::optional<Error> error_;
};

}  // namespace quire
