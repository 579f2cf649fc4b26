// server/responses/input_items.h -- the items of a Responses `input` as chat messages.
//
//   text, message                     -> one message of its role
//   message, function_call, reasoning -> of the assistant, in a row: one message with content,
//                                        tool_calls and reasoning_content
//   function_call_output              -> one message of the role tool
//
// A function_call whose status is "incomplete" is left out: no call came of it, and an answer of
// ours that has one says the same again as text.
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

// What a message was made of.
struct InputSource {
  std::string path;                // the item, the first of several: "input[3]", "instructions"
  std::vector<std::string> calls;  // of each of its tool_calls, the item
};

struct InputMessages {
  Json messages;
  std::vector<InputSource> sources;  // of each message
};

// `instructions` may be null: none.
Result<InputMessages> ReadInput(const Json& input, const Json* instructions);

}  // namespace quire
