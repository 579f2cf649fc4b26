#include "server/openai/chat_answer.h"

#include <optional>
#include <utility>

#include "server/openai/fresh_id.h"

namespace quire {
namespace {

// `index`: nothing where a call is a `function_call`, of which there is one.
using CallIndex = std::optional<uint32_t>;

void WriteCallBegin(CallIndex index, std::string_view name, JsonWriter& json) {
  if (!index) {
    json.Key("function_call").BeginObject();
    json.Field("name", name).Field("arguments", "").EndObject();
    return;
  }
  json.Key("tool_calls").BeginArray().BeginObject().Field("index", *index);
  json.Field("id", FreshId("call_")).Field("type", "function").Key("function").BeginObject();
  json.Field("name", name).Field("arguments", "").EndObject().EndObject().EndArray();
}

void WriteArguments(CallIndex index, std::string_view text, JsonWriter& json) {
  if (!index) {
    json.Key("function_call").BeginObject().Field("arguments", text).EndObject();
    return;
  }
  json.Key("tool_calls").BeginArray().BeginObject().Field("index", *index);
  json.Key("function").BeginObject().Field("arguments", text).EndObject();
  json.EndObject().EndArray();
}

// The delta of a chunk; empty if the event is not worth one.
std::string DeltaOf(const ReplyEvent& event, bool legacy) {
  const CallIndex index = legacy ? CallIndex() : event.call;
  JsonWriter json;
  json.BeginObject();
  switch (event.kind) {
    case ReplyEvent::Kind::kContent:
    case ReplyEvent::Kind::kCallBroken:
      json.Field("content", event.text);
      break;
    case ReplyEvent::Kind::kReasoning:
      json.Field("reasoning_content", event.text);
      break;
    case ReplyEvent::Kind::kCallBegin:
      WriteCallBegin(index, event.text, json);
      break;
    case ReplyEvent::Kind::kArguments:
      WriteArguments(index, event.text, json);
      break;
    case ReplyEvent::Kind::kCallEnd:
    case ReplyEvent::Kind::kMark:
      return {};
  }
  json.EndObject();
  return json.Take();
}

void WriteFunctionCall(const ReplyMessage::Call& call, JsonWriter& json) {
  json.Key("function_call").BeginObject().Field("name", call.name);
  json.Field("arguments", call.arguments).EndObject();
}

void WriteCalls(const std::vector<ReplyMessage::Call>& calls, JsonWriter& json) {
  json.Key("tool_calls").BeginArray();
  for (const ReplyMessage::Call& call : calls) {
    json.BeginObject().Field("id", FreshId("call_")).Field("type", "function");
    json.Key("function").BeginObject().Field("name", call.name);
    json.Field("arguments", call.arguments).EndObject().EndObject();
  }
  json.EndArray();
}

}  // namespace

OpenAiChatAnswer::OpenAiChatAnswer(AnswerFacts answer_facts)
    : OpenAiAnswer(std::move(answer_facts)) {
  speeches_.resize(choices().size());
  for (Speech& speech : speeches_) speech.parser = MakeReplyParser(facts().reply);
}

std::string_view OpenAiChatAnswer::object(bool chunk) const {
  return chunk ? "chat.completion.chunk" : "chat.completion";
}

void OpenAiChatAnswer::Begin(std::string& out) {
  if (!facts().stream) return;
  for (const Choice& choice : choices()) {
    JsonWriter json;
    json.BeginObject().Field("index", choice.index).Key("delta").BeginObject();
    json.Field("role", "assistant").Field("content", "").EndObject();
    json.Key("logprobs").Null().Key("finish_reason").Null().EndObject();
    SendChoice(json.text(), out);
  }
}

void OpenAiChatAnswer::Say(Choice& choice, std::string_view text, const SampledToken* sampled,
                           std::string& out) {
  ReplyEvents events;
  speeches_[choice.index].parser->Append(text, events);
  Tell(choice, events, sampled, out);
}

void OpenAiChatAnswer::FinishSaying(Choice& choice, std::string& out) {
  ReplyEvents events;
  speeches_[choice.index].parser->Finish(events);
  Tell(choice, events, nullptr, out);
}

void OpenAiChatAnswer::Tell(Choice& choice, const ReplyEvents& events, const SampledToken* sampled,
                            std::string& out) {
  Speech& speech = speeches_[choice.index];
  if (!facts().stream && sampled != nullptr) Keep(choice, *sampled);
  for (const ReplyEvent& event : events) {
    if (event.kind == ReplyEvent::Kind::kCallEnd) ++speech.whole_calls;
    if (!facts().stream) {
      speech.message.Add(event);
      continue;
    }
    const std::string delta = DeltaOf(event, facts().legacy_functions);
    if (!delta.empty()) SendDelta(choice, delta, std::exchange(sampled, nullptr), out);
  }
  // A token whose text waits, or is no more than a mark, still has its log-probability.
  if (facts().stream && sampled != nullptr) SendDelta(choice, "{}", sampled, out);
}

void OpenAiChatAnswer::SendDelta(const Choice& choice, const std::string& delta,
                                 const SampledToken* sampled, std::string& out) {
  JsonWriter json;
  json.BeginObject().Field("index", choice.index).Key("delta").Raw(delta).Key("logprobs");
  if (sampled == nullptr) {
    json.Null();
  } else {
    ChatLogprobs one;
    one.Add(*facts().tokenizer, *sampled);
    one.Write(json);
  }
  json.Key("finish_reason").Null().EndObject();
  SendChoice(json.text(), out);
}

std::string_view OpenAiChatAnswer::finish_name(const Choice& choice) const {
  const bool calls = speeches_[choice.index].whole_calls > 0;
  if (!calls || choice.reason != FinishReason::kStop) return OpenAiAnswer::finish_name(choice);
  return facts().legacy_functions ? "function_call" : "tool_calls";
}

void OpenAiChatAnswer::Keep(const Choice& choice, const SampledToken& sampled) {
  speeches_[choice.index].logprobs.Add(*facts().tokenizer, sampled);
}

// Of a stream only the last chunk of a choice.
void OpenAiChatAnswer::WritePiece(const Choice& choice, const Piece&, JsonWriter& json) {
  json.BeginObject().Field("index", choice.index).Key("delta").BeginObject().EndObject();
  json.Key("logprobs").Null().Field("finish_reason", finish_name(choice)).EndObject();
}

void OpenAiChatAnswer::WriteWhole(const Choice& choice, JsonWriter& json) {
  const Speech& speech = speeches_[choice.index];
  const ReplyMessage& message = speech.message;
  json.BeginObject().Field("index", choice.index).Key("message").BeginObject();
  json.Field("role", "assistant").Key("content");
  const bool silent = message.content.empty() && !message.calls.empty();
  silent ? json.Null() : json.String(message.content);
  if (!message.reasoning.empty()) json.Field("reasoning_content", message.reasoning);
  if (!message.calls.empty() && facts().legacy_functions) {
    WriteFunctionCall(message.calls.front(), json);
  } else if (!message.calls.empty()) {
    WriteCalls(message.calls, json);
  }
  json.Key("refusal").Null().EndObject().Key("logprobs");
  if (facts().logprobs) {
    speech.logprobs.Write(json);
  } else {
    json.Null();
  }
  json.Field("finish_reason", finish_name(choice)).EndObject();
}

}  // namespace quire
