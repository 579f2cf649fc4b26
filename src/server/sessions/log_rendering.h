// server/sessions/log_rendering.h -- what a conversation adds to a log that holds its beginning.
//
// The messages are rendered, the text of the log is found at the beginning of that, and only what
// follows becomes tokens. So ids that the model chose stay as they are, whatever a tokenizer would
// make of their text.
//
// Errors  those of PromptEncoder; kConflict, with the place, if the text does not begin as the log
//         does.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "server/openai/chat_request.h"
#include "server/ready_model.h"

namespace quire {

struct LogExtension {
  std::vector<TokenId> tokens;         // to be appended
  std::vector<uint32_t> message_ends;  // SessionState::message_ends, of all messages
  std::vector<TokenId> opening;        // SessionState::opening
};

// `known_ends`: those of the messages that the log holds already.
Result<LogExtension> RenderOnto(const ReadyModel& model, const ChatRequest& chat,
                                std::span<const TokenId> log,
                                const std::vector<uint32_t>& known_ends);

// The prompt of `chat`, beginning with the tokens of `log`; nothing where its text does not.
Result<std::optional<std::vector<TokenId>>> PromptOnto(const ReadyModel& model,
                                                       const ChatRequest& chat,
                                                       std::span<const TokenId> log);

}  // namespace quire
