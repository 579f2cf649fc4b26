#include "server/answer/single_answer.h"

#include <utility>

#include "base/check.h"
#include "base/token_id.h"

namespace quire {

SingleAnswer::SingleAnswer(SingleFacts facts)
    : facts_(std::move(facts)), parser_(MakeReplyParser(facts_.reply)) {}

void SingleAnswer::Tell(const ReplyEvents& events, std::string& out) {
  for (const ReplyEvent& event : events) {
    if (event.kind == ReplyEvent::Kind::kCallEnd) end_.called = true;
    if (event.kind != ReplyEvent::Kind::kMark) OnReply(event, out);
  }
}

void SingleAnswer::Take(uint32_t prompt, Event event, std::string& out) {
  QUIRE_CHECK(prompt == 0);
  ReplyEvents events;
  if (auto* token = std::get_if<TokenEvent>(&event)) {
    tokens_.push_back(token->token);
    parser_->Append(token->text, events);
  } else if (auto* last = std::get_if<ChoiceEndEvent>(&event)) {
    parser_->Append(last->text, events);
    parser_->Finish(events);
    end_.reason = last->reason;
    end_.stopped_by = std::move(last->stopped_by);
    facts_.notes.logit_hashes = {std::move(last->logit_hash)};
  } else if (auto* done = std::get_if<DoneEvent>(&event)) {
    receipt_ = done->receipt;
    error_ = std::move(done->error);
    done_ = true;
  }
  Tell(events, out);
}

std::vector<std::string_view> SingleAnswer::finish_reasons() const {
  if (end_.reason == FinishReason::kLength) return {"length"};
  return {end_.called ? "tool_calls" : "stop"};
}

// Only whole blocks stay. The last token is always computed, so the block that ends with the prompt
// is computed again though the cache holds it: when it is the only one, nothing new stays.
uint32_t SingleAnswer::StoredTokens() const {
  const uint32_t prompt = receipt_.prompt_tokens;
  const uint32_t whole = prompt - prompt % kBlockTokens;
  const uint32_t read = receipt_.cached_tokens;
  if (!facts_.stores || whole <= read) return 0;
  return whole == prompt && whole - read == kBlockTokens && read > 0 ? 0 : whole - read;
}

void SingleAnswer::WriteQuireField(JsonWriter& json) const {
  WriteQuire(receipt_, facts_.notes, json.Key("quire"));
}

}  // namespace quire
