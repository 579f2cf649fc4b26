#include "server/anthropic/tool_fields.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace quire {
namespace {

Result<Json> ReadTool(const Json& tool, const std::string& path, CacheWish& wish) {
  if (!tool.is_object()) return BadField(path, "must be an object");
  QUIRE_TRY(FieldReader reader, FieldReader::Of(tool, path));
  QUIRE_TRY(const auto type, reader.String("type"));
  if (type && *type != "custom") {
    return Refuse(ErrorCode::kUnsupported,
                  "'" + path + ".type' is '" + *type +
                      "', a tool that is not run here; give tools "
                      "with 'name' and 'input_schema'",
                  path + ".type");
  }
  QUIRE_TRY(const auto name, reader.String("name"));
  if (!name || name->empty()) return BadField(path + ".name", "must be a string, not empty");
  QUIRE_TRY(const auto description, reader.String("description"));
  QUIRE_TRY(const auto strict, reader.Bool("strict"));
  const Json* schema = reader.Any("input_schema");
  if (schema == nullptr || !schema->is_object()) {
    return BadField(path + ".input_schema", "must be an object: a JSON Schema");
  }
  if (const Status read = wish.Read(tool, path); !read) return std::unexpected(read.error());
  Json function = {{"name", *name}};
  if (description) function["description"] = *description;
  function["parameters"] = *schema;
  if (strict) function["strict"] = *strict;
  return Json{{"type", "function"}, {"function", std::move(function)}};
}

}  // namespace

Status AddTools(const Json& tools, Json& chat, CacheWish& wish) {
  if (!tools.is_array()) return BadField("tools", "must be a list");
  Json out = Json::array();
  for (size_t i = 0; i < tools.size(); ++i) {
    QUIRE_TRY(Json tool, ReadTool(tools[i], "tools[" + std::to_string(i) + "]", wish));
    out.push_back(std::move(tool));
  }
  if (!out.empty()) chat["tools"] = std::move(out);
  return {};
}

Status AddToolChoice(const Json& choice, Json& chat) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(choice, "tool_choice"));
  QUIRE_TRY(const auto type, reader.String("type"));
  QUIRE_TRY(const auto name, reader.String("name"));
  QUIRE_TRY(const auto one_call, reader.Bool("disable_parallel_tool_use"));
  const bool tools = chat.contains("tools");
  if (type == "tool" && !name) return BadField("tool_choice.name", "is missing");
  if (type == "auto" || type == "none") {
    if (tools) chat["tool_choice"] = *type;
  } else if (type == "any" || type == "tool") {
    if (!tools) return BadField("tool_choice", "needs 'tools'");
    chat["tool_choice"] = type == "any"
                              ? Json("required")
                              : Json{{"type", "function"}, {"function", {{"name", *name}}}};
  } else {
    return BadField("tool_choice.type", R"(must be "auto", "any", "tool" or "none")");
  }
  if (tools && one_call && *one_call) chat["parallel_tool_calls"] = false;
  return {};
}

}  // namespace quire
