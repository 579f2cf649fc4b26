#include "server/responses/responses_answer.h"

#include <chrono>
#include <utility>

#include "server/openai/error_body.h"
#include "server/openai/fresh_id.h"

namespace quire {
namespace {

// What is the same in the events of one kind of item.
struct Words {
  std::string_view id;
  std::string_view delta;
  std::string_view done;
  std::string_view field;  // of the done event
  std::string_view part;   // empty: the item has no parts
};
constexpr Words kWords[] = {
    {"msg_", "response.output_text.delta", "response.output_text.done", "text", "output_text"},
    {"rs_", "response.reasoning_text.delta", "response.reasoning_text.done", "text",
     "reasoning_text"},
    {"fc_", "response.function_call_arguments.delta", "response.function_call_arguments.done",
     "arguments", ""},
};

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

ResponsesAnswer::ResponsesAnswer(SingleFacts single_facts, Json echo)
    : SingleAnswer(std::move(single_facts)), echo_(std::move(echo)) {}

JsonWriter ResponsesAnswer::EventOf(std::string_view type) {
  JsonWriter json;
  json.BeginObject().Field("type", type).Field("sequence_number", sequence_++);
  return json;
}

JsonWriter ResponsesAnswer::ItemEvent(std::string_view type) {
  JsonWriter json = EventOf(type);
  json.Field("item_id", items_.back().id).Field("output_index", items_.size() - 1);
  return json;
}

void ResponsesAnswer::Send(std::string_view type, JsonWriter& json, std::string& out) {
  json.EndObject();
  out.append("event: ").append(type).append("\ndata: ").append(json.text()).append("\n\n");
}

void ResponsesAnswer::WritePart(const Item& item, std::string_view text, JsonWriter& json) {
  const Words& words = kWords[static_cast<size_t>(item.kind)];
  json.BeginObject().Field("type", words.part).Field("text", text);
  if (item.kind == Kind::kMessage) {
    json.Key("annotations").BeginArray().EndArray().Key("logprobs").BeginArray().EndArray();
  }
  json.EndObject();
}

void ResponsesAnswer::WriteItem(const Item& item, std::string_view status, JsonWriter& json) {
  json.BeginObject().Field("id", item.id);
  if (item.kind == Kind::kCall) {
    json.Field("type", "function_call").Field("status", status).Field("call_id", item.call_id);
    json.Field("name", item.name).Field("arguments", item.text).EndObject();
    return;
  }
  if (item.kind == Kind::kMessage) {
    json.Field("type", "message").Field("status", status).Field("role", "assistant");
  } else {
    json.Field("type", "reasoning").Field("status", status);
    json.Key("summary").BeginArray().EndArray();
  }
  json.Key("content").BeginArray();
  if (!item.text.empty()) WritePart(item, item.text, json);
  json.EndArray().EndObject();
}

void ResponsesAnswer::WriteUsage(JsonWriter& json) const {
  const Receipt& spent = receipt();
  json.BeginObject().Field("input_tokens", spent.prompt_tokens);
  json.Key("input_tokens_details").BeginObject().Field("cached_tokens", spent.cached_tokens);
  json.Field("cache_write_tokens", StoredTokens()).EndObject();
  json.Field("output_tokens", spent.generated_tokens);
  json.Key("output_tokens_details").BeginObject().Field("reasoning_tokens", 0).EndObject();
  json.Field("total_tokens", spent.prompt_tokens + spent.generated_tokens).EndObject();
}

void ResponsesAnswer::WriteResponse(std::string_view status, JsonWriter& json) const {
  const bool over = status == "completed" || status == "incomplete";
  json.BeginObject().Field("id", facts().id).Field("object", "response");
  json.Field("created_at", facts().created).Field("status", status);
  json.Key("completed_at");
  status == "completed" ? json.Number(Now()) : json.Null();
  json.Key("error").Null().Key("incomplete_details");
  if (status == "incomplete") {
    json.BeginObject().Field("reason", "max_output_tokens").EndObject();
  } else {
    json.Null();
  }
  json.Field("model", facts().model).Key("output").BeginArray();
  for (const Item& item : items_) {
    if (item.broken) continue;
    // The last is closed by the end of the answer.
    const bool whole = item.whole || (open_ && &item == &items_.back() && status == "completed");
    WriteItem(item, whole ? "completed" : "incomplete", json);
  }
  json.EndArray();
  for (const auto& [name, value] : echo_.items()) json.Key(name).Raw(value.dump());
  json.Key("usage");
  if (over) {
    WriteUsage(json);
    WriteQuireField(json);
  } else {
    json.Null();
  }
  json.EndObject();
}

void ResponsesAnswer::SendResponse(std::string_view type, std::string_view status,
                                   std::string& out) {
  JsonWriter json = EventOf(type);
  WriteResponse(status, json.Key("response"));
  Send(type, json, out);
}

void ResponsesAnswer::SendPart(std::string_view type, std::string& out) {
  JsonWriter json = ItemEvent(type);
  const bool over = type.ends_with("done");
  json.Field("content_index", 0);
  WritePart(items_.back(), over ? std::string_view(items_.back().text) : "", json.Key("part"));
  Send(type, json, out);
}

void ResponsesAnswer::SendItem(std::string_view type, std::string_view status, std::string& out) {
  JsonWriter json = EventOf(type);
  json.Field("output_index", items_.size() - 1);
  WriteItem(items_.back(), status, json.Key("item"));
  Send(type, json, out);
}

void ResponsesAnswer::Begin(std::string& out) {
  if (!facts().stream) return;
  SendResponse("response.created", "in_progress", out);
  SendResponse("response.in_progress", "in_progress", out);
}

void ResponsesAnswer::Close(bool whole, std::string& out) {
  if (!open_) return;
  open_ = false;
  Item& item = items_.back();
  item.whole = whole;
  if (!facts().stream) return;
  const Words& words = kWords[static_cast<size_t>(item.kind)];
  JsonWriter json = ItemEvent(words.done);
  if (!words.part.empty()) json.Field("content_index", 0);
  if (item.kind == Kind::kMessage) json.Key("logprobs").BeginArray().EndArray();
  if (item.kind == Kind::kCall) json.Field("name", item.name);
  json.Field(words.field, item.text);
  Send(words.done, json, out);
  if (!words.part.empty()) SendPart("response.content_part.done", out);
  SendItem("response.output_item.done", whole ? "completed" : "incomplete", out);
}

void ResponsesAnswer::Open(Kind kind, std::string_view name, std::string& out) {
  if (open_ && items_.back().kind == kind && kind != Kind::kCall) return;
  Close(true, out);
  Item item;
  item.kind = kind;
  item.name = name;
  item.id = FreshId(kWords[static_cast<size_t>(kind)].id);
  if (kind == Kind::kCall) item.call_id = FreshId("call_");
  items_.push_back(std::move(item));
  open_ = true;
  if (!facts().stream) return;
  SendItem("response.output_item.added", "in_progress", out);
  if (kind != Kind::kCall) SendPart("response.content_part.added", out);
}

void ResponsesAnswer::Add(std::string_view text, std::string& out) {
  if (text.empty()) return;
  Item& item = items_.back();
  item.text += text;
  if (!facts().stream) return;
  const Words& words = kWords[static_cast<size_t>(item.kind)];
  JsonWriter json = ItemEvent(words.delta);
  if (!words.part.empty()) json.Field("content_index", 0);
  if (item.kind == Kind::kMessage) json.Key("logprobs").BeginArray().EndArray();
  json.Field("delta", text);
  Send(words.delta, json, out);
}

void ResponsesAnswer::OnReply(const ReplyEvent& event, std::string& out) {
  switch (event.kind) {
    case ReplyEvent::Kind::kContent:
    case ReplyEvent::Kind::kReasoning:
      if (event.text.empty()) return;
      Open(event.kind == ReplyEvent::Kind::kContent ? Kind::kMessage : Kind::kReasoning, {}, out);
      return Add(event.text, out);
    case ReplyEvent::Kind::kCallBegin:
      return Open(Kind::kCall, event.text, out);
    case ReplyEvent::Kind::kArguments:
      return Add(event.text, out);
    case ReplyEvent::Kind::kCallEnd:
      return Close(true, out);
    case ReplyEvent::Kind::kCallBroken:
      Close(false, out);
      items_.back().broken = true;
      if (!facts().stream) items_.pop_back();
      open_ = !facts().stream && !items_.empty() && items_.back().kind == Kind::kMessage;
      Open(Kind::kMessage, {}, out);
      return Add(event.text, out);
    case ReplyEvent::Kind::kMark:
      return;
  }
}

std::string_view ResponsesAnswer::status() const {
  return end().reason == FinishReason::kLength ? "incomplete" : "completed";
}

void ResponsesAnswer::SetKept(const std::string& previous) {
  echo_["store"] = true;
  if (!previous.empty()) echo_["previous_response_id"] = previous;
}

std::string ResponsesAnswer::Text() const {
  JsonWriter json;
  WriteResponse(status(), json);
  return json.Take();
}

void ResponsesAnswer::End(std::string& out) {
  const bool whole = status() == "completed";
  Close(whole, out);
  if (facts().stream) {
    SendResponse(whole ? "response.completed" : "response.incomplete", status(), out);
    return;
  }
  out += Text();
}

void ResponsesAnswer::Break(const ApiError& error, std::string& out) {
  JsonWriter json = EventOf("error");
  json.Field("code", error.code).Field("message", error.message);
  json.Key("param").Null();
  Send("error", json, out);
}

}  // namespace quire
