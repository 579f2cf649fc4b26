// <|tool_call|>[{"name": "f", "arguments": {...}}]<|/tool_call|> and functools[{...}].
#include "reply/format/formats.h"
#include "reply/format/json_calls.h"

namespace quire {

ReplyRules PhiRules(const ToolNames* names) {
  ReplyRules rules;
  rules.reasoning = {{"<think>", "</think>"}};
  if (names == nullptr) return rules;
  const CallObjectRules given = {.only = names};
  rules.calls = {
      {"<|tool_call|>", JsonCalls::Maker({{}, {"<|/tool_call|>"}, {}})},
      {"functools[", JsonCalls::Maker({given, {"]"}, {}})},
      {"[", JsonCalls::Maker({given, {}, {}}), true},
      {"{", JsonCalls::Maker({given, {}, {}}), true},
  };
  return rules;
}

}  // namespace quire
