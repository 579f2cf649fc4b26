// <|START_ACTION|>[{"tool_call_id": "0", "tool_name": "f", "parameters": {...}}]<|END_ACTION|>, and
// the older `Action: ```json [...] ```. Answers of the newer models stand between marks as well.
#include "reply/format/formats.h"
#include "reply/format/json_calls.h"

namespace quire {

ReplyRules CommandRRules(const ToolNames* names) {
  ReplyRules rules;
  rules.reasoning = {{"<|START_THINKING|>", "<|END_THINKING|>"}, {"<think>", "</think>"}};
  rules.hidden = {"<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"};
  if (names == nullptr) return rules;
  const CallObjectRules given = {.only = names};
  rules.calls = {
      {"<|START_ACTION|>", JsonCalls::Maker({{}, {"<|END_ACTION|>"}, {}})},
      {"Action: ```json", JsonCalls::Maker({given, {"```"}, {}})},
      {"Action:```json", JsonCalls::Maker({given, {"```"}, {}})},
  };
  return rules;
}

}  // namespace quire
