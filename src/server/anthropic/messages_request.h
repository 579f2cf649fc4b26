// server/anthropic/messages_request.h -- the body of POST /v1/messages, checked.
//
// It becomes the chat completion that asks for the same, so that both have one meaning. Quire's
// extensions (`seed`, `min_p`, `cache_salt`, `return_logit_hash`, ...) pass through.
//
// Errors  those of the chat completion, in the words of this body.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/openai/chat_request.h"

namespace quire {

enum class MessagesPurpose : uint8_t {
  kAnswer,
  kCount,  // POST /v1/messages/count_tokens: no max_tokens
};

struct MessagesRequest {
  ChatRequest chat;
  // How long `cache_control` asks to keep what this request leaves in the prefix cache; 0: no wish.
  uint32_t keep_seconds = 0;
  std::string answer_begin;          // words of the assistant that the answer goes on from
  std::vector<std::string> sources;  // of each chat message, its path in the body
  std::string format = "output_config.format";  // where the body says the form of the answer

  // An error about the chat completion, in the words of this body.
  Error InItsWords(Error error) const;
};

Result<MessagesRequest> ParseMessagesRequest(std::string_view body, MessagesPurpose purpose);

}  // namespace quire
