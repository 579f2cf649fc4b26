// server/responses/input_items.h -- the items of a Responses `input` as chat messages.
//
//   text, message                     -> one message of its role
//   message, function_call, reasoning -> of the assistant, in a row: one message with content,
//                                        tool_calls and reasoning_content
//   function_call_output              -> one message of the role tool
//
// Errors  kInvalidArgument for broken items, kUnsupported for kinds that are not read here; `param`
//         names the item.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/openai/json_input.h"

namespace quire {

struct InputMessages {
  Json messages;
  std::vector<std::string> sources;  // of each message, the item: "input[3]", "instructions"
};

// `instructions` may be null: none.
Result<InputMessages> ReadInput(const Json& input, const Json* instructions);

}  // namespace quire
