#include "server/openai/chat_answer.h"

#include <utility>

namespace quire {

ChatAnswer::ChatAnswer(AnswerFacts answer_facts)
    : Answer(std::move(answer_facts)), logprobs_(choices().size()) {}

std::string_view ChatAnswer::object(bool chunk) const {
  return chunk ? "chat.completion.chunk" : "chat.completion";
}

void ChatAnswer::Begin(std::string& out) {
  if (!facts().stream) return;
  for (const Choice& choice : choices()) {
    JsonWriter json;
    json.BeginObject().Field("index", choice.index).Key("delta").BeginObject();
    json.Field("role", "assistant").Field("content", "").EndObject();
    json.Key("logprobs").Null().Key("finish_reason").Null().EndObject();
    SendChoice(json.text(), out);
  }
}

void ChatAnswer::Keep(const Choice& choice, const SampledToken& sampled) {
  logprobs_[choice.index].Add(*facts().tokenizer, sampled);
}

void ChatAnswer::WritePiece(const Choice& choice, const Piece& piece, JsonWriter& json) {
  json.BeginObject().Field("index", choice.index).Key("delta").BeginObject();
  if (!piece.finish) json.Field("content", piece.text);
  json.EndObject();
  json.Key("logprobs");
  if (piece.sampled == nullptr) {
    json.Null();
  } else {
    ChatLogprobs one;
    one.Add(*facts().tokenizer, *piece.sampled);
    one.Write(json);
  }
  json.Key("finish_reason");
  piece.finish ? json.String(FinishReasonName(*piece.finish)) : json.Null();
  json.EndObject();
}

void ChatAnswer::WriteWhole(const Choice& choice, JsonWriter& json) {
  json.BeginObject().Field("index", choice.index).Key("message").BeginObject();
  json.Field("role", "assistant").Field("content", choice.text).Key("refusal").Null().EndObject();
  json.Key("logprobs");
  if (facts().logprobs) {
    logprobs_[choice.index].Write(json);
  } else {
    json.Null();
  }
  json.Field("finish_reason", FinishReasonName(choice.reason)).EndObject();
}

}  // namespace quire
