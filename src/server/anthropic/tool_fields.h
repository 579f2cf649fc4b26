// server/anthropic/tool_fields.h -- `tools` and `tool_choice` in the words of chat completions.
//
//   {"name", "description", "input_schema"}  ->  {"type": "function", "function": {...}}
//   auto | any | tool | none                 ->  "auto" | "required" | one by name | "none"
//
// What makes a good tool is checked where chat completions check it.
//
// Errors  kInvalidArgument for another shape; kUnsupported for tools that Anthropic's servers run.
#pragma once

#include "base/result.h"
#include "server/anthropic/content_blocks.h"
#include "server/openai/json_input.h"

namespace quire {

// Adds `tools` to the body of a chat completion.
Status AddTools(const Json& tools, Json& chat, CacheWish& wish);

// Adds `tool_choice` and `parallel_tool_calls`.
Status AddToolChoice(const Json& choice, Json& chat);

}  // namespace quire
