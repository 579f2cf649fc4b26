// server/openai/tools/tool_use.h -- the tools of a request and how they may be used.
//
// Errors  kInvalidArgument with `param` naming the place ("tools[1].function.name"); kUnsupported
//         for kinds of tools that only OpenAI itself has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/openai/json_input.h"

namespace quire {

inline constexpr size_t kMaxTools = 256;
inline constexpr size_t kMaxToolNameBytes = 64;

struct Tool {
  std::string name;
  Json parameters;  // JSON Schema of an object; null: any object
  bool strict = false;
  size_t index = 0;  // in the client's list
};

struct ToolUse {
  enum class Choice : uint8_t { kNone, kAuto, kRequired };
  std::vector<Tool> tools;  // that may be called: one if one was asked for by name
  Choice choice = Choice::kNone;
  bool by_name = false;  // required: the one tool that is left
  bool parallel = true;
  bool declared = false;  // the client gave tools, whether or not they may be called now
};

// Reads tools, tool_choice and parallel_tool_calls. `shown` becomes the list for the chat template:
// all tools, null if the model shall not know of any.
Result<ToolUse> ReadToolUse(FieldReader& reader, Json& shown);

// Why `name` cannot be the name of a function; empty if it can.
std::string_view WhyNoToolName(std::string_view name);

}  // namespace quire
