// server/openai/chat_request.h -- the body of POST /v1/chat/completions, checked.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/result.h"
#include "server/openai/generation_fields.h"
#include "server/openai/json_input.h"
#include "server/openai/messages.h"
#include "server/openai/tools/tool_use.h"

namespace quire {

struct ChatRequest {
  GenerationFields fields;
  // The chat template's variables that come from the client: messages, tools if there are any,
  // and those of chat_template_kwargs. Contents are plain strings, arguments of tool calls objects.
  Json variables;
  ToolUse tools;
  bool legacy_functions = false;  // the answer has `function_call`, as clients of old expect it
};

Result<ChatRequest> ParseChatRequest(std::string_view body);
// The same, with the words of tools only, from what other APIs were translated into.
Result<ChatRequest> ReadChatRequest(const Json& body);

}  // namespace quire
