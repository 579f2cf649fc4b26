// server/openai/tools/tool_conversation.h -- writes a conversation with tools as a template wants.
//
// Where a template knows tools, only their form is adapted. Where it does not, they are described
// in the system message (or the first one), calls become text of the assistant and results text of
// the user, all in the format hermes:
//
//   <tools>...</tools>      <tool_call>{"name", "arguments"}</tool_call>
//   <tool_response>...</tool_response>
#pragma once

#include "server/openai/json_input.h"
#include "server/openai/tools/template_traits.h"

namespace quire {

// `variables` are those of a template: messages (normalised) and tools, if there are any. Where the
// template shows no calls they are written out only if `write_calls`: else it has its own way with
// them, which is mostly to leave them out.
void AdaptTools(const TemplateTraits& traits, bool write_calls, Json& variables);

// Whether there are calls or results in a list of messages.
bool HasCalls(const Json& messages);

}  // namespace quire
