// server/responses/responses_request.h -- the body of POST /v1/responses, checked.
//
// The stateless form: whole conversations in, nothing kept. It becomes the chat completion that
// asks for the same, so that both have one meaning. Quire's extensions pass through.
//
// Errors  those of the chat completion, in the words of this body.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/openai/chat_request.h"
#include "server/responses/input_items.h"

namespace quire {

struct ResponsesRequest {
  ChatRequest chat;
  Json echo;                         // the fields that answers repeat
  std::vector<InputSource> sources;  // of each chat message

  // An error about the chat completion, in the words of this body.
  Error InItsWords(Error error) const;
};

Result<ResponsesRequest> ParseResponsesRequest(std::string_view body);

}  // namespace quire
