// server/openai/tools/legacy_functions.h -- `functions` and `function_call`, as OpenAI's API once
// had them, in the words of `tools`.
//
//   functions: [{name, ...}]                     -> tools
//   function_call: "auto" | "none" | {name}      -> tool_choice
//   {role: assistant, function_call: {...}}      -> tool_calls, with ids made up here
//   {role: function, name, content}              -> role tool: the result of the last such call
//
// Answers to such a request have `function_call` in the place of `tool_calls`, one at most.
//
// Errors  kInvalidArgument with `param` in the client's words; also where both ways are mixed.
#pragma once

#include <string>

#include "base/result.h"
#include "server/openai/json_input.h"

namespace quire {

// Whether a request speaks of functions: in fields with a value, or in its messages.
bool HasLegacyFunctions(const Json& body);

// The same request, in the words of tools.
Result<Json> FromLegacyFunctions(const Json& body);

// An error about the request that FromLegacyFunctions made, in the words of the client's own.
Error InLegacyWords(Error error);

}  // namespace quire
