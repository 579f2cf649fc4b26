// server/sessions/kept_responses.h -- /v1/responses with a memory: each answer is kept as a
// session.
//
// A kept response is a place in a log, with the items of the conversation up to and with it. The
// next one goes on from there: `input` then stands behind those items. Ids that the model chose
// stay what they were, as long as the conversation, rendered anew, goes on from their text; else
// (other instructions, other tools) the prompt is what the whole conversation would be.
//
// Threads  any. Errors  those of PrepareResponse and SessionStore; kNotFound for a response that
//          is not there, has expired or is another tenant's.
#pragma once

#include <string>

#include "base/result.h"
#include "server/prepare.h"
#include "server/responses/responses_answer.h"
#include "server/sessions/session_call.h"

namespace quire {

// After so long without use a response is gone, as OpenAI has it.
inline constexpr uint32_t kResponseTtlSeconds = 30 * 24 * 3600;

// An answer to be generated, and how it is to be kept.
struct ResponseTurn {
  PreparedGeneration generation;
  ResponsesAnswer* answer = nullptr;  // of `generation`
  bool keep = true;
  SessionStore::Draft draft;  // all but the answer; its tokens are those of the prompt
  Json items;                 // of the conversation, with `input`
};
Result<ResponseTurn> PrepareResponseTurn(const SessionCall& call);
Status KeepResponse(const SessionCall& call, ResponseTurn& turn);

Result<std::string> ShowResponse(const SessionCall& call);
Result<std::string> DeleteResponse(const SessionCall& call);

}  // namespace quire
