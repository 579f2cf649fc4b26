#include "server/openai/messages.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "reply/json_scan.h"

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
    const auto calls = message.find("tool_calls");
    const bool none = calls == message.end() || calls->is_null() || *calls == Json::array();
    if (!none) return std::string();
    return Bad(
        path + ".content",
        "is missing; give a text (\"\" for an empty one) or, from an assistant, 'tool_calls'");
  }
  if (content->is_string()) return content->get<std::string>();
  if (content->is_array()) return JoinParts(*content, path + ".content");
  return Bad(path + ".content", "must be a string or a list of text parts");
}

// OpenAI sends the arguments of a call as JSON in a string; templates want what it says.
Result<Json> ReadArguments(const Json& function, const std::string& path) {
  const auto arguments = function.find("arguments");
  if (arguments == function.end() || arguments->is_null()) return Json(Json::object());
  if (arguments->is_object()) return *arguments;
  if (!arguments->is_string()) return Bad(path, "must be JSON in a string");
  const std::string& text = arguments->get_ref<const std::string&>();
  if (std::ranges::all_of(text, IsJsonSpace)) {
    return Json(Json::object());  // how some clients write "no arguments"
  }
  auto parsed = ParseJson(text);
  if (!parsed) {
    const std::string& why = parsed.error().message;
    const size_t colon = why.find("JSON: ");
    return Bad(path, "is not JSON: " + (colon == std::string::npos ? why : why.substr(colon + 6)));
  }
  if (!parsed->is_object()) {
    return Bad(path, "must be a JSON object, not " + std::string(JsonTypeName(*parsed)));
  }
  return *std::move(parsed);
}

Result<Json> ReadToolCall(const Json& call, const std::string& path) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(call, path));
  QUIRE_TRY(const auto id, reader.String("id"));
  QUIRE_TRY(const auto type, reader.String("type"));
  if (type && *type != "function") return Bad(path + ".type", "must be \"function\"");
  const Json* inner = reader.Any("function");
  if (inner == nullptr) return Bad(path + ".function", "is missing");
  QUIRE_TRY(FieldReader function, FieldReader::Of(*inner, path + ".function"));
  QUIRE_TRY(const auto name, function.String("name"));
  if (!name) return Bad(path + ".function.name", "is missing");
  if (name->empty()) return Bad(path + ".function.name", "must not be empty");
  QUIRE_TRY(Json arguments, ReadArguments(*inner, path + ".function.arguments"));
  Json out = Json::object();
  if (id) out["id"] = *id;
  out["type"] = "function";
  out["function"] = {{"name", *name}, {"arguments", std::move(arguments)}};
  return out;
}

Result<Json> ReadToolCalls(const Json& calls, const std::string& path) {
  if (!calls.is_array()) return Bad(path, "must be a list");
  Json out = Json::array();
  std::set<std::string> ids;
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string place = path + "[" + std::to_string(i) + "]";
    QUIRE_TRY(Json call, ReadToolCall(calls[i], place));
    const auto id = call.find("id");
    if (id != call.end() && !ids.insert(id->get<std::string>()).second) {
      return Bad(place + ".id", "is '" + id->get<std::string>() + "' a second time");
    }
    out.push_back(std::move(call));
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
      if (out["role"] != "assistant")
        return Bad(path + ".tool_calls", "can only come from an assistant");
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

// Which calls there were, so that results can be told from inventions.
class CallLedger {
 public:
  Status Check(Json& message, const std::string& path) {
    if (const auto calls = message.find("tool_calls"); calls != message.end()) {
      for (const Json& call : *calls) {
        if (!call.contains("id")) continue;
        const std::string id = call["id"].get<std::string>();
        names_[id] = call["function"]["name"].get<std::string>();
        answered_.erase(id);  // some clients number the calls of each turn anew
      }
    }
    if (message["role"] != "tool") return {};
    const auto id = message.find("tool_call_id");
    if (id == message.end()) {
      return Bad(path + ".tool_call_id", "is missing; it says which call this is the result of");
    }
    const auto call = names_.find(id->get<std::string>());
    if (call == names_.end()) {
      return Bad(path + ".tool_call_id",
                 "is '" + id->get<std::string>() + "', but no call before it has that id");
    }
    if (!answered_.insert(call->first).second) {
      return Bad(path + ".tool_call_id", "is '" + call->first + "', which has a result already");
    }
    if (!message.contains("name")) message["name"] = call->second;  // templates ask for it
    return {};
  }

 private:
  std::map<std::string, std::string, std::less<>> names_;  // by id
  std::set<std::string, std::less<>> answered_;            // ids
};

}  // namespace

Result<Json> NormaliseMessages(const Json& messages) {
  if (!messages.is_array()) return Bad("messages", "must be a list");
  if (messages.empty()) return Bad("messages", "must not be empty");
  Json out = Json::array();
  CallLedger ledger;
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string path = "messages[" + std::to_string(i) + "]";
    QUIRE_TRY(Json message, ReadMessage(messages[i], path));
    if (const Status checked = ledger.Check(message, path); !checked) {
      return std::unexpected(checked.error());
    }
    out.push_back(std::move(message));
  }
  return out;
}

}  // namespace quire
