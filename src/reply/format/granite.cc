// <|tool_call|>[{"name": "f", "arguments": {...}}], <tool_call>[...] and <function_call> {...}.
#include "reply/format/formats.h"
#include "reply/format/json_calls.h"

namespace quire {

ReplyRules GraniteRules(const ToolNames* names) {
  ReplyRules rules;
  rules.reasoning = {{"<think>", "</think>"}};
  rules.hidden = {"<response>", "</response>"};
  if (names == nullptr) return rules;
  const CallObjectRules given = {.only = names};
  rules.calls = {
      {"<|tool_call|>", JsonCalls::Maker({{}, {"<|end_of_text|>"}, {}})},
      {"<tool_call>", JsonCalls::Maker({{}, {"</tool_call>"}, {}})},
      {"<function_call>", JsonCalls::Maker({{}, {"</function_call>"}, {}})},
      {"[", JsonCalls::Maker({given, {}, {}}), true},
      {"{", JsonCalls::Maker({given, {}, {}}), true},
  };
  return rules;
}

}  // namespace quire
