#include "server/responses/responses_request.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "server/openai/request_labels.h"
#include "server/responses/input_items.h"

namespace quire {
namespace {

std::unexpected<Error> Bad(const std::string& path, const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, "'" + path + "' " + what, path);
}

// Fields that need a memory of earlier answers, or are those of chat completions.
struct Foreign {
  std::string_view name;
  std::string_view advice;
};
constexpr Foreign kForeign[] = {
    {"previous_response_id", "answers are not kept here; send the whole conversation in 'input'"},
    {"conversation", "answers are not kept here; send the whole conversation in 'input'"},
    {"prompt", "there are no stored prompts here; use 'input'"},
    {"background", "ask again when there is time"},
    {"messages", "use 'input'"},
    {"max_tokens", "use 'max_output_tokens'"},
    {"max_completion_tokens", "use 'max_output_tokens'"},
    {"response_format", "use 'text.format'"},
    {"n", "send several requests"},
    {"logprobs", "use chat completions"},
    {"top_logprobs", "use chat completions"},
    {"stream_options", "usage is always sent"},
};

// What changes nothing here, or is said elsewhere.
constexpr std::string_view kSilent[] = {"input",
                                        "instructions",
                                        "tools",
                                        "tool_choice",
                                        "text",
                                        "max_output_tokens",
                                        "store",
                                        "metadata",
                                        "include",
                                        "reasoning",
                                        "service_tier",
                                        "truncation",
                                        "prompt_cache_retention",
                                        "safety_identifier"};

bool AsksForNothing(const Json& value) {
  return value.is_null() || value == false || value == 0 || value == "" ||
         (value.is_structured() && value.empty());
}

// {"type": "function", "name", ...} -> {"type": "function", "function": {"name", ...}}
Result<Json> ReadTool(const Json& tool, const std::string& path) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(tool, path));
  QUIRE_TRY(const auto type, reader.String("type"));
  if (type != "function") {
    return Refuse(ErrorCode::kUnsupported,
                  "'" + path + ".type' must be \"function\"; other tools are not run here",
                  path + ".type");
  }
  Json function = tool;
  function.erase("type");
  return Json{{"type", "function"}, {"function", std::move(function)}};
}

Status AddTools(const Json& tools, Json& chat) {
  if (!tools.is_array()) return Bad("tools", "must be a list");
  Json out = Json::array();
  for (size_t i = 0; i < tools.size(); ++i) {
    QUIRE_TRY(Json tool, ReadTool(tools[i], "tools[" + std::to_string(i) + "]"));
    out.push_back(std::move(tool));
  }
  if (!out.empty()) chat["tools"] = std::move(out);
  return {};
}

Status AddToolChoice(const Json& choice, Json& chat) {
  if (!chat.contains("tools") && (choice == "auto" || choice == "none")) return {};
  if (!choice.is_object()) {
    chat["tool_choice"] = choice;
    return {};
  }
  QUIRE_TRY(FieldReader reader, FieldReader::Of(choice, "tool_choice"));
  QUIRE_TRY(const auto type, reader.String("type"));
  QUIRE_TRY(const auto name, reader.String("name"));
  if (type != "function" || !name) {
    return Bad("tool_choice", R"(must be "auto", "none", "required" or a function by name)");
  }
  chat["tool_choice"] = {{"type", "function"}, {"function", {{"name", *name}}}};
  return {};
}

Status AddText(const Json& text, Json& chat) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(text, "text"));
  const Json* format = reader.Any("format");
  if (format == nullptr) return {};
  QUIRE_TRY(FieldReader inner, FieldReader::Of(*format, "text.format"));
  QUIRE_TRY(const auto type, inner.String("type"));
  if (type == "text") return {};
  if (type != "json_schema") {
    chat["response_format"] = *format;
    return {};
  }
  Json schema = *format;
  schema.erase("type");
  chat["response_format"] = {{"type", "json_schema"}, {"json_schema", std::move(schema)}};
  return {};
}

Status AddRest(const Json& body, Json& chat) {
  for (const auto& [name, value] : body.items()) {
    if (name == "metadata") {
      QUIRE_TRY(const RequestLabels labels, ReadLabels(value));
      if (!labels.empty()) chat[name] = value;
    }
    if (value.is_null() || std::ranges::find(kSilent, name) != std::end(kSilent)) continue;
    const auto foreign = std::ranges::find(kForeign, name, &Foreign::name);
    if (foreign == std::end(kForeign)) {
      chat[name] = value;
    } else if (!AsksForNothing(value) && !(name == "n" && value == 1)) {
      return Refuse(ErrorCode::kUnsupported,
                    "'" + name + "' is not supported here; " + std::string(foreign->advice), name);
    }
  }
  return {};
}

using Part = Status (*)(const Json& value, Json& chat);

Status AddPart(const Json& body, const char* name, Part part, Json& chat) {
  const auto value = body.find(name);
  return value == body.end() || value->is_null() ? Status() : part(*value, chat);
}

Status AddLength(const Json& length, Json& chat) {
  if (!length.is_number()) return Bad("max_output_tokens", "must be an integer");
  chat["max_tokens"] = length;
  return {};
}

Json EchoOf(const Json& body) {
  Json echo = {{"instructions", nullptr},
               {"max_output_tokens", nullptr},
               {"parallel_tool_calls", true},
               {"previous_response_id", nullptr},
               {"temperature", 1.0},
               {"text", {{"format", {{"type", "text"}}}}},
               {"tool_choice", "auto"},
               {"tools", Json::array()},
               {"top_p", 1.0},
               {"truncation", "disabled"},
               {"metadata", Json::object()},
               {"user", nullptr},
               {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}}};
  for (auto& [name, value] : echo.items()) {
    const auto given = body.find(name);
    if (given != body.end() && !given->is_null()) value = *given;
  }
  echo["store"] = false;
  return echo;
}

// "messages[2].tool_calls[0].function.name" -> "input[3].name": the item and its field.
std::string ItemName(const std::string& param, const std::vector<InputSource>& sources) {
  constexpr std::string_view kMessages = "messages[";
  constexpr std::string_view kCalls = ".tool_calls[";
  constexpr std::pair<std::string_view, std::string_view> kFields[] = {
      {".function.name", ".name"}, {".function.arguments", ".arguments"},
      {".id", ".call_id"},         {".tool_call_id", ".call_id"},
      {".role", ".role"},
  };
  const size_t number = std::strtoul(param.c_str() + kMessages.size(), nullptr, 10);
  if (number >= sources.size()) return "input";
  const InputSource& source = sources[number];
  std::string item = source.path;
  std::string_view field =
      std::string_view(param).substr(std::min(param.find(']'), param.size() - 1) + 1);
  if (field.starts_with(kCalls)) {
    const size_t call = std::strtoul(field.data() + kCalls.size(), nullptr, 10);
    if (call < source.calls.size()) item = source.calls[call];
    field.remove_prefix(std::min(field.find(']'), field.size() - 1) + 1);
  }
  const auto known =
      std::ranges::find(kFields, field, &std::pair<std::string_view, std::string_view>::first);
  return known == std::end(kFields) ? item : item.append(known->second);
}

std::string OwnName(const std::string& param, const std::vector<InputSource>& sources) {
  constexpr std::pair<std::string_view, std::string_view> kBeginnings[] = {
      {"response_format.json_schema", "text.format"},
      {"response_format", "text.format"},
  };
  if (param == "max_tokens") return "max_output_tokens";
  if (param == "prompt" || param == "messages") return "input";
  if (param == "tool_choice.function.name") return "tool_choice.name";
  if (param.starts_with("messages[")) return ItemName(param, sources);
  std::string name = param;
  for (const auto& [theirs, ours] : kBeginnings) {
    if (name.starts_with(theirs)) return name.replace(0, theirs.size(), ours);
  }
  const size_t function = name.find("].function");
  if (name.starts_with("tools[") && function != std::string::npos) {
    name.erase(function + 1, std::string_view(".function").size());
  }
  return name;
}

}  // namespace

Error ResponsesRequest::InItsWords(Error error) const {
  const std::string name = OwnName(error.param, sources);
  if (name == error.param || error.param.empty()) return error;
  const std::string quoted = "'" + error.param + "'";
  const size_t at = error.message.find(quoted);
  if (at != std::string::npos) error.message.replace(at, quoted.size(), "'" + name + "'");
  error.param = name;
  return error;
}

Result<ResponsesRequest> ParseResponsesRequest(std::string_view text) {
  QUIRE_TRY(const Json body, ParseJson(text));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(body));
  const Json* input = reader.Any("input");
  const Json* instructions = reader.Any("instructions");
  if (input == nullptr) return Bad("input", "is missing");
  Json chat = Json::object();
  for (const Status& added :
       {AddRest(body, chat), AddPart(body, "tools", AddTools, chat),
        AddPart(body, "tool_choice", AddToolChoice, chat), AddPart(body, "text", AddText, chat),
        AddPart(body, "max_output_tokens", AddLength, chat)}) {
    if (!added) return std::unexpected(added.error());
  }
  if (!chat.contains("tools")) chat.erase("parallel_tool_calls");
  QUIRE_TRY(InputMessages messages, ReadInput(*input, instructions));
  chat["messages"] = std::move(messages.messages);
  ResponsesRequest request;
  request.sources = std::move(messages.sources);
  request.echo = EchoOf(body);
  auto read = ReadChatRequest(chat);
  if (!read) return std::unexpected(request.InItsWords(std::move(read).error()));
  request.chat = *std::move(read);
  return request;
}

}  // namespace quire
