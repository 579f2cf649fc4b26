// server/openai/tools/tool_form.h -- the form of answers that call tools, for the grammar engine.
//
// A call that must be made has the model's own format, a name of the list, and arguments that fit
// the schema of its parameters; reasoning may come before it. A call that may be made is held to it
// from its mark on, for tools that are `strict`, where the mark is a text.
//
// Errors  those of schemas come from StructuredForm::make and name "tools[i].function.parameters".
#pragma once

#include <optional>
#include <string_view>

#include "reply/reply_format.h"
#include "server/openai/structured_fields.h"
#include "server/openai/tools/tool_use.h"

namespace quire {

class Tokenizer;

inline constexpr uint32_t kMaxRequiredCalls = 8;  // of one answer, lest a small model never ends

struct ToolFormContext {
  ReplyFormat format = ReplyFormat::kHermes;
  bool starts_in_reasoning = false;
  std::string_view chat_template;  // tells the older and the newer way of a format apart
  const Tokenizer& tokenizer;
};

// The form that `use` asks for on top of `wished`, which is the client's own, if any: calls instead
// of it if they are required, calls or it otherwise.
// kUnsupported where calls are required and the format is none; kInvalidArgument where they are
// required beside a form of the whole answer (any but response_format, which is one of its text).
Result<std::optional<StructuredForm>> ToolForm(const ToolUse& use, const ToolFormContext& context,
                                               std::optional<StructuredForm> wished);

}  // namespace quire
