// server/openai/messages.h -- the conversation of a chat request, checked and made uniform.
//
// Contents become plain strings, arguments of tool calls objects, "developer" "system". A result of
// a tool must answer a call that an assistant made before it.
//
// Errors  kInvalidArgument or kUnsupported with `param` naming the place:
//         "messages[2].tool_calls[0].function.arguments".
#pragma once

#include "base/result.h"
#include "server/openai/json_input.h"

namespace quire {

Result<Json> NormaliseMessages(const Json& messages);

}  // namespace quire
