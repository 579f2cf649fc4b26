#include "server/openai/tools/legacy_functions.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace quire {
namespace {

std::unexpected<Error> Bad(const std::string& path, const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, "'" + path + "' " + what, path);
}

bool Has(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && !found->is_null();
}

bool IsLegacy(const Json& message) {
  if (!message.is_object()) return false;
  const auto role = message.find("role");
  return Has(message, "function_call") || (role != message.end() && *role == "function");
}

std::string IdOf(size_t message) { return "call_function_" + std::to_string(message); }

Status TranslateFields(Json& body) {
  if (Has(body, "tools") || Has(body, "tool_choice")) {
    return Bad(Has(body, "functions") ? "functions" : "function_call",
               "cannot be mixed with 'tools'; leave one of them out");
  }
  if (Has(body, "functions")) {
    const Json functions = std::move(body["functions"]);
    if (!functions.is_array()) return Bad("functions", "must be a list");
    Json tools = Json::array();
    for (const Json& function : functions) {
      tools.push_back({{"type", "function"}, {"function", function}});
    }
    body["tools"] = std::move(tools);
  }
  if (Has(body, "function_call")) {
    const Json choice = std::move(body["function_call"]);
    if (choice.is_object()) {
      body["tool_choice"] = {{"type", "function"}, {"function", choice}};
    } else if (choice == "auto" || choice == "none") {
      body["tool_choice"] = choice;
    } else {
      return Bad("function_call", R"(must be "auto", "none" or {"name": ...})");
    }
  }
  body.erase("functions");
  body.erase("function_call");
  body["parallel_tool_calls"] = false;
  return {};
}

// The call that the result at `at` belongs to: the last one of that name.
Result<std::string> CallBefore(const Json& messages, size_t at, const std::string& path) {
  const auto name = messages[at].find("name");
  if (name == messages[at].end() || !name->is_string()) {
    return Bad(path + ".name", "is missing; it says which function this is the result of");
  }
  for (size_t i = at; i-- > 0;) {
    const Json& message = messages[i];
    if (!message.is_object()) continue;
    if (message.value("name", Json()) == *name && message.contains("tool_call_id")) {
      return Bad(path + ".name",
                 "is '" + name->get<std::string>() + "', and its last call has a result already");
    }
    if (!Has(message, "tool_calls")) continue;
    const Json& calls = message["tool_calls"];
    if (!calls.is_array() || calls.empty() || !calls[0].is_object()) continue;
    const Json function = calls[0].value("function", Json());
    if (!function.is_object() || function.value("name", Json()) != *name) continue;
    return calls[0].value("id", std::string());
  }
  return Bad(path + ".name",
             "is '" + name->get<std::string>() + "', but no call before it is of that function");
}

Status TranslateMessages(Json& messages) {
  for (size_t i = 0; i < messages.size(); ++i) {
    Json& message = messages[i];
    if (!IsLegacy(message)) continue;
    const std::string path = "messages[" + std::to_string(i) + "]";
    if (message.value("role", Json()) == "function") {
      QUIRE_TRY(std::string id, CallBefore(messages, i, path));
      message["role"] = "tool";
      message["tool_call_id"] = std::move(id);
      if (!Has(message, "content")) message["content"] = "";  // functions may return nothing
      continue;
    }
    if (Has(message, "tool_calls")) {
      return Bad(path + ".function_call", "cannot be mixed with 'tool_calls'");
    }
    const Json call = std::move(message["function_call"]);
    message.erase("function_call");
    message["tool_calls"] =
        Json::array({{{"id", IdOf(i)}, {"type", "function"}, {"function", call}}});
  }
  return {};
}

}  // namespace

bool HasLegacyFunctions(const Json& body) {
  if (!body.is_object()) return false;
  if (Has(body, "functions") || Has(body, "function_call")) return true;
  const auto messages = body.find("messages");
  return messages != body.end() && messages->is_array() && std::ranges::any_of(*messages, IsLegacy);
}

Result<Json> FromLegacyFunctions(const Json& body) {
  Json out = body;
  if (Has(out, "functions") || Has(out, "function_call")) {
    if (const Status fields = TranslateFields(out); !fields) {
      return std::unexpected(fields.error());
    }
  }
  const auto messages = out.find("messages");
  if (messages == out.end() || !messages->is_array()) return out;
  if (const Status read = TranslateMessages(*messages); !read) {
    return std::unexpected(read.error());
  }
  return out;
}

Error InLegacyWords(Error error) {
  const auto replace = [](std::string& text, std::string_view from, std::string_view to) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
      text.replace(at, from.size(), to);
      at += to.size();
    }
  };
  error.param += "'";  // as it stands in the message
  for (std::string* text : {&error.message, &error.param}) {
    replace(*text, "].function.", "].");
    replace(*text, "].function'", "]'");
    replace(*text, "tool_choice.function", "function_call");
    replace(*text, "tool_choice", "function_call");
    replace(*text, ".tool_calls[0].", ".function_call.");
    replace(*text, ".tool_calls[0]'", ".function_call'");
    replace(*text, "tools[", "functions[");
  }
  error.param.pop_back();
  if (error.param == "tools") error.param = "functions";
  return error;
}

}  // namespace quire
