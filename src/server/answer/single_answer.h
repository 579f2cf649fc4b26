// server/answer/single_answer.h -- one answer to one prompt, taken apart into what it says.
//
// The base of the APIs that give text, thoughts and calls as items of their own. A derived class
// writes what OnReply and OnEnd tell it; it sees no token and no engine.
//
// Threads  none. Errors: those of the engine are kept until somebody asks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/token_id.h"
#include "reply/reply_parser.h"
#include "server/answer/answer_writer.h"
#include "server/openai/receipt.h"

namespace quire {

struct SingleFacts {
  std::string id;  // "msg_...", "resp_..."
  int64_t created = 0;
  std::string model;
  ReceiptNotes notes;
  bool stream = false;
  uint32_t prompt_tokens = 0;
  bool stores = true;  // what it computes stays in the prefix cache
  // The context ends before the tokens that the client allowed.
  bool cut_by_context = false;
  ReplyOptions reply;
};

// How the answer ended.
struct SingleEnd {
  FinishReason reason = FinishReason::kStop;
  std::optional<std::string> stopped_by;  // the stop text that matched
  bool called = false;                    // it holds at least one whole call
};

class SingleAnswer : public AnswerWriter {
 public:
  explicit SingleAnswer(SingleFacts facts);

  void Take(uint32_t prompt, Event event, std::string& out) final;

  bool streams() const final { return facts_.stream; }
  bool done() const final { return done_; }
  bool failed() const final { return error_.has_value(); }
  const Error& error() const final { return *error_; }
  const std::vector<TokenId>& tokens() const { return tokens_; }  // as they were chosen
  const std::string& id() const { return facts_.id; }
  std::vector<std::string_view> finish_reasons() const final;

 protected:
  virtual void OnReply(const ReplyEvent& event, std::string& out) = 0;

  const SingleFacts& facts() const { return facts_; }
  const SingleEnd& end() const { return end_; }  // from End on
  const Receipt& receipt() const { return receipt_; }
  // Of the prompt: computed now and kept in the prefix cache from now on.
  uint32_t StoredTokens() const;
  void WriteQuireField(JsonWriter& json) const;

 private:
  void Tell(const ReplyEvents& events, std::string& out);

  SingleFacts facts_;
  std::unique_ptr<ReplyParser> parser_;
  SingleEnd end_;
  Receipt receipt_;
  std::vector<TokenId> tokens_;
  bool done_ = false;
  std::optional<Error> error_;
};

}  // namespace quire
