#include "server/sessions/session_answer.h"

#include <utility>

#include "server/openai/answer.h"
#include "server/sessions/session_json.h"

namespace quire {

void SessionAnswer::Take(uint32_t, Event event, std::string& out) {
  std::string text;
  std::optional<TokenId> token;
  if (auto* next = std::get_if<TokenEvent>(&event)) {
    text = std::move(next->text);
    token = next->token;
    tokens_.push_back(next->token);
  } else if (auto* end = std::get_if<ChoiceEndEvent>(&event)) {
    text = std::move(end->text);
    reason_ = end->reason;
    facts_.notes.logit_hashes = {std::move(end->logit_hash)};
  } else if (auto* done = std::get_if<DoneEvent>(&event)) {
    receipt_ = done->receipt;
    error_ = std::move(done->error);
    done_ = true;
  }
  if (!facts_.stream) {
    text_ += text;
    return;
  }
  if (text.empty() && !token) return;
  JsonWriter json;
  json.BeginObject().Field("text", text).Key("tokens").BeginArray();
  if (token) json.Number(*token);
  json.EndArray().EndObject();
  AppendSse(json.text(), out);
}

void SessionAnswer::End(std::string& out) {
  JsonWriter json;
  json.BeginObject().Field("id", session_.id).Field("object", "session.answer");
  json.Field("text", text_).Key("tokens").BeginArray();
  if (!facts_.stream) {
    for (const TokenId token : tokens_) json.Number(token);
  }
  json.EndArray().Field("finish_reason", FinishReasonName(reason_));
  WriteUsage(receipt_, json.Key("usage"));
  json.Key("session").BeginObject().Field("tokens", session_.tokens);
  json.Field("messages", session_.state.message_ends.size());
  json.Field("version", session_.version);
  WriteDropped(session_.state, json);
  json.EndObject();
  WriteQuire(receipt_, facts_.notes, json.Key("quire"));
  json.EndObject();
  if (!facts_.stream) {
    out += json.text();
    return;
  }
  AppendSse(json.text(), out);
  AppendSse("[DONE]", out);
}

void SessionAnswer::Break(const ApiError& error, std::string& out) { AppendSseError(error, out); }

std::vector<std::string_view> SessionAnswer::finish_reasons() const {
  return {FinishReasonName(reason_)};
}

}  // namespace quire
