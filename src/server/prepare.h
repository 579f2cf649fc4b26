// server/prepare.h -- from the body of a request to work for the engine and the answer's shape.
//
// Threads  any: it is the part of a request that takes the I/O thread's time, so it runs beside it.
// Errors   those of the parsers and of PromptEncoder; kContextLength with the numbers; kNotFound
//          for another model.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/request.h"
#include "reply/reply_parser.h"
#include "server/answer/answer_writer.h"
#include "server/openai/chat_request.h"
#include "server/ready_model.h"

namespace quire {

// A conversation as work, and how its answer is to be read. For all APIs that chat.
struct PreparedChat {
  GenerationRequest request;
  ReplyOptions reply;
  std::string model;  // the name to answer under
};
Result<PreparedChat> PrepareConversation(const ReadyModel& model, ChatRequest& request);

// Puts the prompt into the request, settles max_tokens and compiles the form; a seed is drawn if
// none was given.
Result<GenerationRequest> FinishGeneration(const ReadyModel& model, GenerationFields& fields,
                                           std::vector<TokenId> prompt);

struct PreparedGeneration {
  std::vector<GenerationRequest> requests;  // one per prompt
  std::unique_ptr<AnswerWriter> answer;
};

struct RawRequest {
  std::string body;
  std::string request_id;
};

Result<PreparedGeneration> PrepareChat(const ReadyModel& model, const RawRequest& raw);
Result<PreparedGeneration> PrepareCompletion(const ReadyModel& model, const RawRequest& raw);
Result<PreparedGeneration> PrepareResponse(const ReadyModel& model, const RawRequest& raw);
// The same of a request that goes on from the tokens `log`: where the conversation goes on from
// their text, they stay as they are.
Result<PreparedGeneration> PrepareResponseOnto(const ReadyModel& model, const RawRequest& raw,
                                               std::span<const TokenId> log);
Result<PreparedGeneration> PrepareMessages(const ReadyModel& model, const RawRequest& raw);

// POST /v1/messages/count_tokens: the JSON of the answer.
Result<std::string> CountTokens(const ReadyModel& model, const std::string& body);

// POST /render: the tokens of a conversation as the model reads it, and the text of each; what
// begins a character inside of one is the text of the token that ends it.
Result<std::string> Render(const ReadyModel& model, const std::string& body);

// POST /tokenize and /detokenize: the JSON of the answer.
Result<std::string> Tokenize(const ReadyModel& model, const std::string& body);
Result<std::string> Detokenize(const ReadyModel& model, const std::string& body);

}  // namespace quire
