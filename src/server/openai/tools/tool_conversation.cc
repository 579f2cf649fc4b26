#include "server/openai/tools/tool_conversation.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace quire {
namespace {

std::string Describe(const Json& tools) {
  std::string text =
      "You can call functions to help the user. These are the functions, as JSON:\n<tools>\n";
  for (const Json& tool : tools) text.append(tool.dump()).append("\n");
  text +=
      "</tools>\n\nTo call a function, answer with a JSON object that has its name and its "
      "arguments, inside <tool_call></tool_call>, once per call:\n"
      "<tool_call>\n{\"name\": \"FUNCTION\", \"arguments\": {\"NAME\": \"VALUE\"}}\n</tool_call>\n"
      "The results come back inside <tool_response></tool_response>.";
  return text;
}

void AddInstructions(const std::string& text, bool shows_system, Json& messages) {
  const bool has_system = !messages.empty() && messages[0]["role"] == "system";
  const bool to_first = has_system || (!shows_system && !messages.empty());
  if (!to_first) {
    messages.insert(messages.begin(), Json{{"role", "system"}, {"content", text}});
    return;
  }
  Json& content = messages[0]["content"];
  const std::string old = content.is_string() ? content.get<std::string>() : "";
  content = has_system ? old + (old.empty() ? "" : "\n\n") + text : text + "\n\n" + old;
}

std::string CallsAsText(const Json& message) {
  std::string text = message["content"].is_string() ? message["content"].get<std::string>() : "";
  for (const Json& call : message["tool_calls"]) {
    const Json said = {{"name", call["function"]["name"]},
                       {"arguments", call["function"]["arguments"]}};
    if (!text.empty()) text += "\n";
    text.append("<tool_call>\n").append(said.dump()).append("\n</tool_call>");
  }
  return text;
}

// Calls and results as text. Results in a row, and what the user says behind them, are one message:
// many templates want roles to alternate.
Json WithoutCalls(const Json& messages) {
  Json out = Json::array();
  bool results = false;  // the last message of `out` is made of results
  for (const Json& message : messages) {
    const bool is_result = message["role"] == "tool";
    if (is_result) {
      const std::string text =
          "<tool_response>\n" + message["content"].get<std::string>() + "\n</tool_response>";
      if (results) {
        Json& content = out.back()["content"];
        content = content.get<std::string>() + "\n" + text;
      } else {
        out.push_back({{"role", "user"}, {"content", text}});
      }
    } else if (results && message["role"] == "user") {
      Json& content = out.back()["content"];
      content = content.get<std::string>() + "\n\n" + message["content"].get<std::string>();
    } else if (message.contains("tool_calls")) {
      Json said = message;
      said["content"] = CallsAsText(message);
      said.erase("tool_calls");
      out.push_back(std::move(said));
    } else {
      out.push_back(message);
    }
    results = is_result;
  }
  return out;
}

// Nine letters and digits that stand for any id: FNV-1a, written with base 36.
std::string ShortId(const std::string& id) {
  if (id.size() == 9 && id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                             "0123456789") == std::string::npos) {
    return id;
  }
  uint64_t hash = 14695981039346656037u;
  for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  std::string text;
  for (int i = 0; i < 9; ++i, hash /= 36) text += "0123456789abcdefghijklmnopqrstuvwxyz"[hash % 36];
  return text;
}

void AdaptForm(const TemplateTraits& traits, Json& messages) {
  for (Json& message : messages) {
    if (traits.short_ids && message.contains("tool_call_id")) {
      message["tool_call_id"] = ShortId(message["tool_call_id"].get<std::string>());
    }
    if (!message.contains("tool_calls")) continue;
    if (traits.null_content && message["content"] == "") message["content"] = nullptr;
    for (Json& call : message["tool_calls"]) {
      if (traits.short_ids && call.contains("id")) {
        call["id"] = ShortId(call["id"].get<std::string>());
      }
      Json& arguments = call["function"]["arguments"];
      if (traits.text_arguments) arguments = arguments.dump();
    }
  }
}

}  // namespace

bool HasCalls(const Json& messages) {
  for (const Json& message : messages) {
    if (message["role"] == "tool" || message.contains("tool_calls")) return true;
  }
  return false;
}

void AdaptTools(const TemplateTraits& traits, bool write_calls, Json& variables) {
  Json& messages = variables["messages"];
  if (HasCalls(messages)) {
    if (traits.shows_calls) {
      AdaptForm(traits, messages);
    } else if (write_calls) {
      messages = WithoutCalls(messages);
    }
  }
  const auto tools = variables.find("tools");
  if (tools == variables.end() || traits.shows_tools) return;
  const std::string text = Describe(*tools);
  variables.erase("tools");
  AddInstructions(text, traits.shows_system, messages);
}

}  // namespace quire
