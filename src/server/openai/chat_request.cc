#include "server/openai/chat_request.h"

#include <array>
#include <utility>

namespace quire {
namespace {

constexpr std::array<std::string_view, 4> kRoles = {"system", "user", "assistant", "tool"};

std::unexpected<Error> Bad(const std::string& path, const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, "'" + path + "' " + what, path);
}

Result<std::string> ReadRole(const Json& message, const std::string& path) {
  const auto role = message.find("role");
  if (role == message.end() || !role->is_string()) return Bad(path + ".role", "must be a string");
  std::string name = role->get<std::string>();
  if (name == "developer") name = "system";  // OpenAI's newer word; templates know the older one
  for (const std::string_view known : kRoles) {
    if (name == known) return name;
  }
  return Bad(path + ".role", "must be system, developer, user, assistant or tool");
}

Result<std::string> JoinParts(const Json& parts, const std::string& path) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Json& part = parts[i];
    const std::string place = path + "[" + std::to_string(i) + "]";
    if (!part.is_object() || !part.contains("type") || !part["type"].is_string()) {
      return Bad(place, "must be an object with a 'type'");
    }
    const std::string type = part["type"].get<std::string>();
    if (type != "text" && type != "refusal") {
      return Refuse(ErrorCode::kUnsupported,
                    "'" + place + "' is of type '" + type + "'; this model reads only text",
                    place + ".type");
    }
    if (!part.contains(type) || !part[type].is_string()) {
      return Bad(place + "." + type, "must be a string");
    }
    text += part[type].get_ref<const std::string&>();
  }
  return text;
}

Result<std::string> ReadContent(const Json& message, const std::string& path) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null()) {
    // An assistant that only called tools has nothing to say.
    if (message.contains("tool_calls") && !message["tool_calls"].empty()) return std::string();
    return Bad(
        path + ".content",
        "is missing; give a text (\"\" for an empty one) or, from an assistant, 'tool_calls'");
  }
  if (content->is_string()) return content->get<std::string>();
  if (content->is_array()) return JoinParts(*content, path + ".content");
  return Bad(path + ".content", "must be a string or a list of text parts");
}

// OpenAI sends the arguments of a call as JSON in a string; templates want what it says.
Result<Json> ReadToolCalls(const Json& calls, const std::string& path) {
  if (!calls.is_array()) return Bad(path, "must be a list");
  Json out = calls;
  for (size_t i = 0; i < out.size(); ++i) {
    const std::string place = path + "[" + std::to_string(i) + "]";
    Json& call = out[i];
    if (!call.is_object() || !call.contains("function") || !call["function"].is_object()) {
      return Bad(place, "must be an object with a 'function'");
    }
    Json& function = call["function"];
    if (!function.contains("name") || !function["name"].is_string()) {
      return Bad(place + ".function.name", "must be a string");
    }
    if (!function.contains("arguments") || !function["arguments"].is_string()) continue;
    auto arguments = ParseJson(function["arguments"].get_ref<const std::string&>());
    if (arguments && arguments->is_object()) function["arguments"] = *std::move(arguments);
  }
  return out;
}

Result<Json> ReadMessage(const Json& message, const std::string& path) {
  if (!message.is_object()) return Bad(path, "must be an object with 'role' and 'content'");
  QUIRE_TRY(std::string role, ReadRole(message, path));
  QUIRE_TRY(std::string content, ReadContent(message, path));
  Json out = {{"role", std::move(role)}, {"content", std::move(content)}};
  for (const auto& [name, value] : message.items()) {
    if (name == "role" || name == "content" || value.is_null()) continue;
    if (name == "tool_calls") {
      if (value.is_array() && value.empty()) continue;
      QUIRE_TRY(out[name], ReadToolCalls(value, path + ".tool_calls"));
    } else if (name == "name" || name == "tool_call_id" || name == "reasoning_content" ||
               name == "refusal") {
      if (!value.is_string()) return Bad(path + "." + name, "must be a string");
      out[name] = value;
    } else if (name == "function_call" || name == "audio") {
      return Refuse(ErrorCode::kUnsupported, "'" + path + "." + name + "' is not supported",
                    path + "." + name);
    } else {
      out[name] = value;  // models have their own; the template decides
    }
  }
  return out;
}

Status ReadTools(FieldReader& reader, ChatRequest& request) {
  const Json* tools = reader.Any("tools");
  const Json* choice = reader.Any("tool_choice");
  if (choice != nullptr && *choice != "none" && *choice != "auto") {
    return Refuse(ErrorCode::kUnsupported, "'tool_choice' can only be \"none\" or \"auto\"",
                  "tool_choice");
  }
  if (tools == nullptr) return {};
  if (!tools->is_array()) return Bad("tools", "must be a list");
  for (size_t i = 0; i < tools->size(); ++i) {
    if (!(*tools)[i].is_object())
      return Bad("tools[" + std::to_string(i) + "]", "must be an object");
  }
  if (tools->empty() || (choice != nullptr && *choice == "none")) return {};
  request.variables["tools"] = *tools;
  request.has_tools = true;
  return {};
}

Status ReadTemplateVariables(FieldReader& reader, Json& variables) {
  const Json* extra = reader.Any("chat_template_kwargs");
  if (extra == nullptr) return {};
  if (!extra->is_object()) return Bad("chat_template_kwargs", "must be an object");
  for (const auto& [name, value] : extra->items()) {
    constexpr std::array<std::string_view, 5> kTaken = {"messages", "tools", "bos_token",
                                                        "eos_token", "add_generation_prompt"};
    for (const std::string_view taken : kTaken) {
      if (name == taken) return Bad("chat_template_kwargs." + name, "cannot be set this way");
    }
    variables[name] = value;
  }
  return {};
}

Status ReadChatLogprobs(FieldReader& reader, GenerationRequest& request) {
  QUIRE_TRY(const auto logprobs, reader.Bool("logprobs"));
  QUIRE_TRY(const auto top, reader.Integer("top_logprobs", 0, kMaxTopLogprobs));
  request.want_logprobs = logprobs.value_or(false);
  if (top && !request.want_logprobs) {
    return Refuse(ErrorCode::kInvalidArgument, "'top_logprobs' needs 'logprobs': true",
                  "top_logprobs");
  }
  request.top_logprobs = static_cast<uint32_t>(top.value_or(0));
  return {};
}

}  // namespace

Result<Json> NormaliseMessages(const Json& messages) {
  if (!messages.is_array()) return Bad("messages", "must be a list");
  if (messages.empty()) return Bad("messages", "must not be empty");
  Json out = Json::array();
  for (size_t i = 0; i < messages.size(); ++i) {
    QUIRE_TRY(Json message, ReadMessage(messages[i], "messages[" + std::to_string(i) + "]"));
    out.push_back(std::move(message));
  }
  return out;
}

Result<ChatRequest> ParseChatRequest(std::string_view text) {
  QUIRE_TRY(const Json body, ParseJson(text));
  return ReadChatRequest(body);
}

Result<ChatRequest> ReadChatRequest(const Json& body) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(body));
  ChatRequest request;
  QUIRE_TRY(request.fields, ReadGenerationFields(reader));
  if (request.fields.max_tokens == 0u) return Bad("max_tokens", "must be at least 1");
  const Json* messages = reader.Any("messages");
  if (messages == nullptr) return Bad("messages", "is missing");
  request.variables = Json::object();
  QUIRE_TRY(request.variables["messages"], NormaliseMessages(*messages));
  if (const Status read = ReadTools(reader, request); !read) return std::unexpected(read.error());
  for (const Status& read : {ReadTemplateVariables(reader, request.variables),
                             ReadChatLogprobs(reader, request.fields.request)}) {
    if (!read) return std::unexpected(read.error());
  }
  const Status finished = FinishFields(reader, body, Endpoint::kChat, request.fields);
  if (!finished) return std::unexpected(finished.error());
  return request;
}

}  // namespace quire
