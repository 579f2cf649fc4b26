#include "server/anthropic/messages_request.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "server/anthropic/conversation.h"
#include "server/anthropic/tool_fields.h"
#include "server/openai/request_labels.h"

namespace quire {
namespace {

// Fields of chat completions that would mean something there and nothing here.
struct Foreign {
  std::string_view name;
  std::string_view advice;
};
constexpr Foreign kForeign[] = {
    {"n", "send several requests"},
    {"stop", "use 'stop_sequences'"},
    {"logprobs", "use chat completions"},
    {"top_logprobs", "use chat completions"},
    {"stream_options", "usage is always sent"},
    {"max_completion_tokens", "use 'max_tokens'"},
    {"response_format", "use 'output_config.format'"},
    {"parallel_tool_calls", "use 'tool_choice.disable_parallel_tool_use'"},
    {"user", "use 'metadata.user_id'"},
    {"prompt", "use 'messages'"},
};

// What shapes an answer at Anthropic's and is not done here.
constexpr std::string_view kUnsupported[] = {"mcp_servers", "container", "context_management",
                                             "fallbacks", "compaction"};

bool IsEmpty(const Json& value) {
  return value.is_null() || ((value.is_object() || value.is_array()) && value.empty());
}

Status AddStops(const Json& stops, Json& chat) {
  constexpr std::string_view kWrong = "must be a list of strings, none of them empty";
  if (!stops.is_array()) return BadField("stop_sequences", std::string(kWrong));
  for (const Json& stop : stops) {
    if (!stop.is_string() || stop.get_ref<const std::string&>().empty()) {
      return BadField("stop_sequences", std::string(kWrong));
    }
  }
  chat["stop"] = stops;
  return {};
}

Status AddThinking(const Json& thinking, Json& chat) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(thinking, "thinking"));
  QUIRE_TRY(const auto type, reader.String("type"));
  QUIRE_TRY([[maybe_unused]] const auto budget,
            reader.Integer("budget_tokens", 1, kMaxTokensBound));
  if (type != "enabled" && type != "disabled" && type != "adaptive") {
    return BadField("thinking.type", R"(must be "enabled", "adaptive" or "disabled")");
  }
  // The name by which templates of models that can do both know it; others do not look.
  Json& variables = chat["chat_template_kwargs"];
  if (!variables.is_null() && !variables.is_object()) return {};  // refused later, by its name
  if (!variables.contains("enable_thinking")) variables["enable_thinking"] = type != "disabled";
  return {};
}

Status AddMetadata(const Json& metadata, Json& chat) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(metadata, "metadata"));
  QUIRE_TRY(auto user, reader.String("user_id"));
  QUIRE_TRY(RequestLabels labels, ReadLabels(metadata));
  if (!labels.empty()) {
    chat["metadata"] = {{"route", std::move(labels.route)}, {"version", std::move(labels.version)}};
  }
  if (user) chat["user"] = *std::move(user);
  return {};
}

Status AddOutputFormat(const Json& format, const std::string& path, Json& chat) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(format, path));
  QUIRE_TRY(const auto type, reader.String("type"));
  const Json* schema = reader.Any("schema");
  if (type != "json_schema") return BadField(path + ".type", R"(must be "json_schema")");
  if (schema == nullptr) return BadField(path + ".schema", "is missing");
  chat["response_format"] = {
      {"type", "json_schema"},
      {"json_schema", {{"name", "answer"}, {"schema", *schema}, {"strict", true}}}};
  return {};
}

Status AddOutputConfig(const Json& config, Json& chat) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(config, "output_config"));
  const Json* format = reader.Any("format");
  return format == nullptr ? Status() : AddOutputFormat(*format, "output_config.format", chat);
}

Status CheckForeign(const std::string& name, const Json& value) {
  const auto foreign = std::ranges::find(kForeign, name, &Foreign::name);
  if (foreign != std::end(kForeign)) {
    return Refuse(ErrorCode::kUnsupported,
                  "'" + name + "' is not a field of this endpoint; " + std::string(foreign->advice),
                  name);
  }
  const bool unsupported = std::ranges::find(kUnsupported, name) != std::end(kUnsupported);
  if (unsupported && !IsEmpty(value)) {
    return Refuse(ErrorCode::kUnsupported, "'" + name + "' is not supported", name);
  }
  return {};
}

// All fields but messages, system and tools.
Status AddField(const std::string& name, const Json& value, Json& chat) {
  if (name == "stop_sequences") return AddStops(value, chat);
  if (name == "thinking") return AddThinking(value, chat);
  if (name == "metadata") return AddMetadata(value, chat);
  if (name == "output_config") return AddOutputConfig(value, chat);
  if (name == "output_format") return AddOutputFormat(value, name, chat);
  // Where and in which lane Anthropic would run it.
  if (name == "service_tier" || name == "inference_geo" || name == "speed") return {};
  if (const Status fine = CheckForeign(name, value); !fine) return fine;
  if (std::ranges::find(kUnsupported, name) == std::end(kUnsupported)) chat[name] = value;
  return {};
}

bool IsHandledApart(std::string_view name) {
  constexpr std::array<std::string_view, 6> kApart = {
      "messages", "system", "tools", "tool_choice", "cache_control", "chat_template_kwargs"};
  return std::ranges::find(kApart, name) != kApart.end();
}

Status AddFields(const Json& body, Json& chat, CacheWish& wish) {
  if (const Status read = wish.Read(body, ""); !read) return read;
  // First what others add to.
  const auto variables = body.find("chat_template_kwargs");
  if (variables != body.end() && !variables->is_null()) chat["chat_template_kwargs"] = *variables;
  for (const auto& [name, value] : body.items()) {
    if (value.is_null() || IsHandledApart(name)) continue;
    if (const Status added = AddField(name, value, chat); !added) return added;
  }
  const auto tools = body.find("tools");
  if (tools != body.end() && !tools->is_null()) {
    if (const Status added = AddTools(*tools, chat, wish); !added) return added;
  }
  const auto choice = body.find("tool_choice");
  if (choice == body.end() || choice->is_null()) return {};
  return AddToolChoice(*choice, chat);
}

Status AddConversation(const Json& body, Conversation& conversation) {
  const auto system = body.find("system");
  if (system != body.end() && !system->is_null()) {
    if (const Status added = conversation.AddSystem(*system, "system"); !added) return added;
  }
  const auto messages = body.find("messages");
  if (messages == body.end()) return BadField("messages", "is missing");
  if (const Status added = conversation.AddMessages(*messages); !added) return added;
  return conversation.Finish();
}

// "messages[2].content" -> what the client called that message; other fields by their own names.
std::string OwnName(const std::string& param, const MessagesRequest& request) {
  const std::vector<std::string>& sources = request.sources;
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"stop", "stop_sequences"},
      {"user", "metadata.user_id"},
      {"prompt", "messages"},
      {"parallel_tool_calls", "tool_choice.disable_parallel_tool_use"},
      {"tool_choice.function.name", "tool_choice.name"},
  };
  for (const auto& [theirs, ours] : kNames) {
    if (param == theirs) return std::string(ours);
  }
  if (param.starts_with("messages[")) {
    const size_t number = std::strtoul(param.c_str() + 9, nullptr, 10);
    return number < sources.size() ? sources[number] : "messages";
  }
  std::string name = param;
  constexpr std::string_view kSchema = "response_format.json_schema";
  if (name.starts_with(kSchema)) return name.replace(0, kSchema.size(), request.format);
  const size_t function = name.find("].function");
  if (!param.starts_with("tools[") || function == std::string::npos) return name;
  name.erase(function + 1, std::string_view(".function").size());
  const size_t schema = name.find(".parameters");
  if (schema != std::string::npos) name.replace(schema, 11, ".input_schema");
  return name;
}

}  // namespace

Error MessagesRequest::InItsWords(Error error) const {
  const std::string name = OwnName(error.param, *this);
  if (name == error.param || error.param.empty()) return error;
  const std::string quoted = "'" + error.param + "'";
  const size_t at = error.message.find(quoted);
  if (at != std::string::npos) error.message.replace(at, quoted.size(), "'" + name + "'");
  error.param = name;
  return error;
}

Result<MessagesRequest> ParseMessagesRequest(std::string_view text, MessagesPurpose purpose) {
  QUIRE_TRY(const Json body, ParseJson(text));
  if (!body.is_object()) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "the body must be a JSON object, not " + std::string(JsonTypeName(body)));
  }
  const auto max_tokens = body.find("max_tokens");
  if (purpose == MessagesPurpose::kAnswer && (max_tokens == body.end() || max_tokens->is_null())) {
    return BadField("max_tokens", "is missing");
  }
  Conversation conversation;
  if (const Status added = AddConversation(body, conversation); !added) {
    return std::unexpected(added.error());
  }
  CacheWish wish = conversation.cache_wish();
  Json chat = Json::object();
  if (const Status added = AddFields(body, chat, wish); !added) {
    return std::unexpected(added.error());
  }
  chat["messages"] = conversation.TakeMessages();
  MessagesRequest request;
  request.keep_seconds = wish.seconds;
  request.sources = conversation.sources();
  if (body.contains("output_format")) request.format = "output_format";
  auto read = ReadChatRequest(chat);
  if (!read) return std::unexpected(request.InItsWords(std::move(read).error()));
  request.chat = *std::move(read);
  request.answer_begin = conversation.answer_begin();
  return request;
}

}  // namespace quire
