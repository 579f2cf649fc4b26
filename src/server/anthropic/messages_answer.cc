#include "server/anthropic/messages_answer.h"

#include "server/anthropic/anthropic_error.h"
#include "server/openai/fresh_id.h"

namespace quire {
namespace {

void AppendEvent(std::string_view name, std::string_view json, std::string& out) {
  out.append("event: ").append(name).append("\ndata: ").append(json).append("\n\n");
}

JsonWriter EventOf(std::string_view name) {
  JsonWriter json;
  json.BeginObject().Field("type", name);
  return json;
}

}  // namespace

std::string_view MessagesAnswer::still_here() const {
  return "event: ping\ndata: {\"type\":\"ping\"}\n\n";
}

void MessagesAnswer::WriteHead(JsonWriter& json) const {
  json.Field("id", facts().id).Field("type", "message").Field("role", "assistant");
  json.Field("model", facts().model);
}

void MessagesAnswer::WriteUsage(JsonWriter& json) const {
  const uint32_t read = receipt().cached_tokens;
  const uint32_t made = StoredTokens();
  json.BeginObject().Field("input_tokens", receipt().prompt_tokens - read - made);
  json.Field("cache_creation_input_tokens", made).Field("cache_read_input_tokens", read);
  json.Field("output_tokens", receipt().generated_tokens).EndObject();
}

void MessagesAnswer::WriteStop(JsonWriter& json) const {
  const bool by_text = end().reason == FinishReason::kStop && end().stopped_by;
  const char* reason = "end_turn";
  if (end().reason == FinishReason::kLength) {
    reason = facts().cut_by_context ? "model_context_window_exceeded" : "max_tokens";
  } else if (by_text) {
    reason = "stop_sequence";
  } else if (end().called) {
    reason = "tool_use";
  }
  json.Field("stop_reason", reason).Key("stop_sequence");
  by_text ? json.String(*end().stopped_by) : json.Null();
}

void MessagesAnswer::WriteBlock(const Block& block, JsonWriter& json) {
  json.BeginObject();
  if (block.kind == Kind::kText) json.Field("type", "text").Field("text", block.text);
  if (block.kind == Kind::kThinking) {
    json.Field("type", "thinking").Field("thinking", block.text).Field("signature", "");
  }
  if (block.kind == Kind::kToolUse) {
    json.Field("type", "tool_use").Field("id", block.id).Field("name", block.name);
    json.Key("input").Raw(block.text.empty() ? "{}" : block.text);
  }
  json.EndObject();
}

void MessagesAnswer::Begin(std::string& out) {
  if (!facts().stream) return;
  JsonWriter json = EventOf("message_start");
  json.Key("message").BeginObject();
  WriteHead(json);
  json.Key("content").BeginArray().EndArray();
  json.Key("stop_reason").Null().Key("stop_sequence").Null();
  json.Key("usage").BeginObject().Field("input_tokens", facts().prompt_tokens);
  json.Field("cache_creation_input_tokens", 0).Field("cache_read_input_tokens", 0);
  json.Field("output_tokens", 0).EndObject().EndObject().EndObject();
  AppendEvent("message_start", json.text(), out);
  out += still_here();
}

void MessagesAnswer::Close(std::string& out) {
  if (!open_) return;
  open_ = false;
  if (!facts().stream) return;
  JsonWriter json = EventOf("content_block_stop");
  json.Field("index", blocks_.size() - 1).EndObject();
  AppendEvent("content_block_stop", json.text(), out);
}

void MessagesAnswer::Open(Kind kind, std::string_view name, std::string& out) {
  if (open_ && blocks_.back().kind == kind && kind != Kind::kToolUse) return;
  Close(out);
  Block block{.kind = kind, .text = {}, .id = {}, .name = std::string(name)};
  if (kind == Kind::kToolUse) block.id = FreshId("toolu_");
  blocks_.push_back(std::move(block));
  open_ = true;
  if (!facts().stream) return;
  JsonWriter json = EventOf("content_block_start");
  json.Field("index", blocks_.size() - 1);
  WriteBlock(blocks_.back(), json.Key("content_block"));
  json.EndObject();
  AppendEvent("content_block_start", json.text(), out);
}

void MessagesAnswer::Add(std::string_view text, std::string& out) {
  if (text.empty()) return;
  if (!facts().stream) {
    blocks_.back().text += text;
    return;
  }
  constexpr std::pair<std::string_view, std::string_view> kDeltas[] = {
      {"text_delta", "text"}, {"thinking_delta", "thinking"}, {"input_json_delta", "partial_json"}};
  const auto& [type, field] = kDeltas[static_cast<size_t>(blocks_.back().kind)];
  JsonWriter json = EventOf("content_block_delta");
  json.Field("index", blocks_.size() - 1).Key("delta").BeginObject();
  json.Field("type", type).Field(field, text).EndObject().EndObject();
  AppendEvent("content_block_delta", json.text(), out);
}

void MessagesAnswer::OnReply(const ReplyEvent& event, std::string& out) {
  switch (event.kind) {
    case ReplyEvent::Kind::kContent:
    case ReplyEvent::Kind::kReasoning:
      if (event.text.empty()) return;
      Open(event.kind == ReplyEvent::Kind::kContent ? Kind::kText : Kind::kThinking, {}, out);
      return Add(event.text, out);
    case ReplyEvent::Kind::kCallBegin:
      return Open(Kind::kToolUse, event.text, out);
    case ReplyEvent::Kind::kArguments:
      return Add(event.text, out);
    case ReplyEvent::Kind::kCallEnd:
      return Close(out);
    case ReplyEvent::Kind::kCallBroken:
      Close(out);
      if (!facts().stream) blocks_.pop_back();
      open_ = !blocks_.empty() && !facts().stream;
      Open(Kind::kText, {}, out);
      return Add(event.text, out);
    case ReplyEvent::Kind::kMark:
      return;
  }
}

void MessagesAnswer::End(std::string& out) {
  Close(out);
  JsonWriter json = facts().stream ? EventOf("message_delta") : JsonWriter();
  if (facts().stream) {
    json.Key("delta").BeginObject();
    WriteStop(json);
    json.EndObject();
  } else {
    json.BeginObject();
    WriteHead(json);
    json.Key("content").BeginArray();
    for (const Block& block : blocks_) WriteBlock(block, json);
    json.EndArray();
    WriteStop(json);
  }
  WriteUsage(json.Key("usage"));
  WriteQuireField(json);
  json.EndObject();
  if (!facts().stream) {
    out += json.text();
    return;
  }
  AppendEvent("message_delta", json.text(), out);
  AppendEvent("message_stop", R"({"type":"message_stop"})", out);
}

void MessagesAnswer::Break(const ApiError& error, std::string& out) {
  AppendEvent("error", AnthropicErrorBody(error, facts().notes.request_id), out);
}

}  // namespace quire
