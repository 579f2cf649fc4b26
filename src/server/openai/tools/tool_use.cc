#include "server/openai/tools/tool_use.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace quire {
namespace {

std::unexpected<Error> Bad(const std::string& path, const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, "'" + path + "' " + what, path);
}

Result<std::string> ReadName(FieldReader& function) {
  QUIRE_TRY(const auto name, function.String("name"));
  const std::string path = function.PathOf("name");
  if (!name) return Bad(path, "is missing");
  const std::string_view why = WhyNoToolName(*name);
  if (!why.empty()) return Bad(path, std::string(why));
  return *name;
}

Result<Json> ReadParameters(FieldReader& function) {
  const Json* parameters = function.Any("parameters");
  if (parameters == nullptr) return Json();
  const std::string path = function.PathOf("parameters");
  if (!parameters->is_object()) {
    return Bad(path,
               "must be a JSON Schema, an object, not " + std::string(JsonTypeName(*parameters)));
  }
  const auto type = parameters->find("type");
  if (type != parameters->end() && *type != "object") {
    return Bad(path + ".type", "must be \"object\": arguments have names");
  }
  return *parameters;
}

Result<Tool> ReadTool(const Json& json, const std::string& path) {
  QUIRE_TRY(FieldReader outer, FieldReader::Of(json, path));
  QUIRE_TRY(const auto type, outer.String("type"));
  if (!type) return Bad(path + ".type", "is missing; it is \"function\"");
  if (*type != "function") {
    return Refuse(ErrorCode::kUnsupported,
                  "'" + path + ".type' is '" + *type + "'; only functions can be called here",
                  path + ".type");
  }
  const Json* inner = outer.Any("function");
  if (inner == nullptr) return Bad(path + ".function", "is missing");
  QUIRE_TRY(FieldReader function, FieldReader::Of(*inner, path + ".function"));
  Tool tool;
  QUIRE_TRY(tool.name, ReadName(function));
  QUIRE_TRY([[maybe_unused]] const auto description, function.String("description"));
  QUIRE_TRY(tool.parameters, ReadParameters(function));
  QUIRE_TRY(const auto strict, function.Bool("strict"));
  tool.strict = strict.value_or(false);
  return tool;
}

Result<std::vector<Tool>> ReadTools(const Json& list) {
  if (!list.is_array()) return Bad("tools", "must be a list");
  if (list.size() > kMaxTools) {
    return Bad("tools", "has " + std::to_string(list.size()) + " tools; at most " +
                            std::to_string(kMaxTools));
  }
  std::vector<Tool> tools;
  std::set<std::string> names;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string path = "tools[" + std::to_string(i) + "]";
    QUIRE_TRY(Tool tool, ReadTool(list[i], path));
    if (!names.insert(tool.name).second) {
      return Bad(path + ".function.name", "is '" + tool.name + "' a second time");
    }
    tool.index = i;
    tools.push_back(std::move(tool));
  }
  return tools;
}

// One tool by name: {"type": "function", "function": {"name": ...}}.
Status ChooseByName(const Json& choice, ToolUse& use) {
  QUIRE_TRY(FieldReader outer, FieldReader::Of(choice, "tool_choice"));
  QUIRE_TRY(const auto type, outer.String("type"));
  if (type != "function") return Bad("tool_choice.type", "must be \"function\"");
  const Json* inner = outer.Any("function");
  if (inner == nullptr) return Bad("tool_choice.function", "is missing");
  QUIRE_TRY(FieldReader function, FieldReader::Of(*inner, "tool_choice.function"));
  QUIRE_TRY(const auto name, function.String("name"));
  if (!name) return Bad("tool_choice.function.name", "is missing");
  const auto found = std::ranges::find(use.tools, *name, &Tool::name);
  if (found == use.tools.end()) {
    return Bad("tool_choice.function.name", "is '" + *name + "', which is none of the tools");
  }
  use.tools = {Tool(*found)};
  use.by_name = true;
  use.choice = ToolUse::Choice::kRequired;
  return {};
}

Status ReadChoice(const Json* choice, ToolUse& use) {
  if (choice == nullptr) {
    use.choice = use.tools.empty() ? ToolUse::Choice::kNone : ToolUse::Choice::kAuto;
    return {};
  }
  if (choice->is_object()) return ChooseByName(*choice, use);
  if (*choice == "none") {
    use.choice = ToolUse::Choice::kNone;
  } else if (*choice == "auto") {
    use.choice = use.tools.empty() ? ToolUse::Choice::kNone : ToolUse::Choice::kAuto;
  } else if (*choice == "required") {
    if (use.tools.empty()) return Bad("tool_choice", "is \"required\", but there are no 'tools'");
    use.choice = ToolUse::Choice::kRequired;
  } else {
    return Bad("tool_choice",
               "must be \"none\", \"auto\", \"required\" or "
               "{\"type\": \"function\", \"function\": {\"name\": ...}}");
  }
  return {};
}

}  // namespace

std::string_view WhyNoToolName(std::string_view name) {
  if (name.empty()) return "must not be empty";
  if (name.size() > kMaxToolNameBytes) return "has more than 64 characters";
  const bool fine = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  return fine ? "" : "may only have letters, digits, '_' and '-'";
}

Result<ToolUse> ReadToolUse(FieldReader& reader, Json& shown) {
  const Json* list = reader.Any("tools");
  const Json* choice = reader.Any("tool_choice");
  QUIRE_TRY(const auto parallel, reader.Bool("parallel_tool_calls"));
  ToolUse use;
  use.parallel = parallel.value_or(true);
  if (list != nullptr) {
    QUIRE_TRY(use.tools, ReadTools(*list));
    use.declared = !use.tools.empty();
  }
  if (const Status read = ReadChoice(choice, use); !read) return std::unexpected(read.error());
  shown = Json();
  if (use.choice == ToolUse::Choice::kNone) {
    use.tools.clear();
  } else {
    shown = *list;
  }
  return use;
}

}  // namespace quire
