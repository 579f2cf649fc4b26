// server/sessions/session_answer.h -- what a session answers: {"text", "tokens", "usage", "quire"}.
//
// As a stream, one event per token with its text and id, then one with the rest, then [DONE].
//
// Owner  holds text and ids until End; whoever keeps the answer takes the ids from tokens().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/answer/answer_writer.h"
#include "server/openai/receipt.h"
#include "session/session.h"

namespace quire {

class SessionAnswer final : public AnswerWriter {
 public:
  struct Facts {
    bool stream = false;
    ReceiptNotes notes;
  };
  explicit SessionAnswer(Facts facts) : facts_(std::move(facts)) {}

  void Begin(std::string&) override {}
  void Take(uint32_t prompt, Event event, std::string& out) override;
  void End(std::string& out) override;
  void Break(const ApiError& error, std::string& out) override;

  bool streams() const override { return facts_.stream; }
  bool done() const override { return done_; }
  bool failed() const override { return error_.has_value(); }
  const Error& error() const override { return *error_; }
  std::vector<std::string_view> finish_reasons() const override;

  const std::vector<TokenId>& tokens() const { return tokens_; }
  // The session as it is now that the answer is kept; before End.
  void Kept(Session session) { session_ = std::move(session); }

 private:
  Facts facts_;
  std::string text_;
  std::vector<TokenId> tokens_;
  FinishReason reason_ = FinishReason::kStop;
  Receipt receipt_;
  Session session_;
  bool done_ = false;
  std::optional<Error> error_;
};

}  // namespace quire
