// <tool_call>{"name": "f", "arguments": {...}}</tool_call>, as Hermes and Qwen are trained to.
//
// Small models that were shown this format often leave the marks out or take others. So a JSON
// object that is a call of a given tool also counts where an answer begins with it, and in a code
// fence.
#include "reply/format/formats.h"
#include "reply/format/json_calls.h"

namespace quire {

ReplyRules HermesRules(const ToolNames* names) {
  ReplyRules rules;
  rules.reasoning = {{"<think>", "</think>"}};
  if (names == nullptr) return rules;
  const CallObjectRules any = {.only = nullptr, .doubled_braces = true};
  const CallObjectRules given = {.only = names, .doubled_braces = true};
  rules.calls = {
      {"<tool_call>", JsonCalls::Maker({any, {"</tool_call>"}, {}})},
      {"<tools>", JsonCalls::Maker({given, {"</tools>"}, {}})},
      {"<function_call>", JsonCalls::Maker({given, {"</function_call>"}, {}})},
      {"```", JsonCalls::Maker({given, {"```"}, "json"})},
      {"{", JsonCalls::Maker({given, {"</tool_call>"}, {}}), true},
      {"[", JsonCalls::Maker({given, {"</tool_call>"}, {}}), true},
  };
  return rules;
}

}  // namespace quire
