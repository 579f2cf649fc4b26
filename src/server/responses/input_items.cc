#include "server/responses/input_items.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace quire {
namespace {

std::unexpected<Error> Bad(const std::string& path, const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, "'" + path + "' " + what, path);
}

// Texts of parts, or a plain text.
Result<std::string> ReadTexts(const Json& content, const std::string& path) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return Bad(path, "must be a string or a list of parts");
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string place = path + "[" + std::to_string(i) + "]";
    if (!content[i].is_object()) return Bad(place, "must be an object with a 'type'");
    QUIRE_TRY(FieldReader reader, FieldReader::Of(content[i], place));
    QUIRE_TRY(const auto type, reader.String("type"));
    if (!type) return Bad(place + ".type", "is missing");
    const bool readable = *type == "input_text" || *type == "output_text" || *type == "text" ||
                          *type == "refusal" || *type == "summary_text" ||
                          *type == "reasoning_text";
    if (!readable) {
      return Refuse(ErrorCode::kUnsupported,
                    "'" + place + "' is of type '" + *type + "'; this model reads only text",
                    place + ".type");
    }
    const char* field = *type == "refusal" ? "refusal" : "text";
    QUIRE_TRY(const auto part, reader.String(field));
    if (!part) return Bad(place + "." + field, "must be a string");
    text += *part;
  }
  return text;
}

class Builder {
 public:
  Status Add(const Json& item, const std::string& path) {
    QUIRE_TRY(FieldReader reader, FieldReader::Of(item, path));
    QUIRE_TRY(const auto type, reader.String("type"));
    const std::string kind = type.value_or("message");
    if (kind == "message") return AddMessage(reader, path);
    if (kind == "function_call") return AddCall(reader, path);
    if (kind == "function_call_output") return AddOutput(reader, path);
    if (kind == "reasoning") return AddReasoning(reader, path);
    return Refuse(ErrorCode::kUnsupported,
                  "'" + path + "' is an item of type '" + kind +
                      "'; message, function_call, function_call_output and reasoning are read",
                  path + ".type");
  }

  void Push(Json message, const std::string& path) {
    out_.messages.push_back(std::move(message));
    out_.sources.push_back({path, {}});
    assistant_open_ = out_.messages.back()["role"] == "assistant";
  }

  InputMessages Take() { return std::move(out_); }

 private:
  // The assistant's message that this item is a part of.
  Json& Assistant(const std::string& path) {
    if (!assistant_open_) Push({{"role", "assistant"}, {"content", ""}}, path);
    return out_.messages.back();
  }

  Status AddMessage(FieldReader& reader, const std::string& path) {
    QUIRE_TRY(const auto role, reader.String("role"));
    const Json* content = reader.Any("content");
    if (!role) return Bad(path + ".role", "is missing");
    if (role != "user" && role != "assistant" && role != "system" && role != "developer") {
      return Bad(path + ".role", "must be user, assistant, system or developer");
    }
    if (content == nullptr) return Bad(path + ".content", "is missing");
    QUIRE_TRY(std::string text, ReadTexts(*content, path + ".content"));
    if (*role == "assistant" && assistant_open_) {
      Json& message = out_.messages.back();
      message["content"] = message["content"].get<std::string>() + text;
      return {};
    }
    Push({{"role", *role}, {"content", std::move(text)}}, path);
    return {};
  }

  Status AddCall(FieldReader& reader, const std::string& path) {
    QUIRE_TRY(const auto status, reader.String("status"));
    if (status == "incomplete") return {};
    QUIRE_TRY(const auto id, reader.String("call_id"));
    QUIRE_TRY(const auto name, reader.String("name"));
    QUIRE_TRY(const auto arguments, reader.String("arguments"));
    if (!id || id->empty()) return Bad(path + ".call_id", "must be a string, not empty");
    if (!name || name->empty()) return Bad(path + ".name", "must be a string, not empty");
    if (!arguments) return Bad(path + ".arguments", "must be a string");
    Assistant(path)["tool_calls"].push_back(
        {{"id", *id},
         {"type", "function"},
         {"function", {{"name", *name}, {"arguments", *arguments}}}});
    out_.sources.back().calls.push_back(path);
    return {};
  }

  Status AddOutput(FieldReader& reader, const std::string& path) {
    QUIRE_TRY(const auto id, reader.String("call_id"));
    const Json* output = reader.Any("output");
    if (!id || id->empty()) return Bad(path + ".call_id", "must be a string, not empty");
    if (output == nullptr) return Bad(path + ".output", "is missing");
    QUIRE_TRY(std::string text, ReadTexts(*output, path + ".output"));
    Push({{"role", "tool"}, {"tool_call_id", *id}, {"content", std::move(text)}}, path);
    return {};
  }

  Status AddReasoning(FieldReader& reader, const std::string& path) {
    const Json* content = reader.Any("content");
    if (content == nullptr) content = reader.Any("summary");
    if (content == nullptr) return {};  // encrypted: nobody's but OpenAI's
    QUIRE_TRY(std::string text, ReadTexts(*content, path + ".content"));
    if (text.empty()) return {};
    Json& reasoning = Assistant(path)["reasoning_content"];
    reasoning = reasoning.is_null() ? text : reasoning.get<std::string>() + text;
    return {};
  }

  InputMessages out_{Json::array(), {}};
  bool assistant_open_ = false;  // the last message is the assistant's
};

}  // namespace

Result<InputMessages> ReadInput(const Json& input, const Json* instructions) {
  Builder builder;
  if (instructions != nullptr) {
    if (!instructions->is_string()) return Bad("instructions", "must be a string");
    builder.Push({{"role", "system"}, {"content", *instructions}}, "instructions");
  }
  if (input.is_string()) {
    builder.Push({{"role", "user"}, {"content", input}}, "input");
    return builder.Take();
  }
  if (!input.is_array()) return Bad("input", "must be a string or a list of items");
  if (input.empty()) return Bad("input", "must not be empty");
  for (size_t i = 0; i < input.size(); ++i) {
    const Status added = builder.Add(input[i], "input[" + std::to_string(i) + "]");
    if (!added) return std::unexpected(added.error());
  }
  return builder.Take();
}

}  // namespace quire
