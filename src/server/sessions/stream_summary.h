// server/sessions/stream_summary.h -- what the model writes about that which a stream will drop.
//
// It reads the context up to TailBegin and then the session's prompt, and answers without chance:
// so a summary is a function of the tokens before it. It becomes part of the next context as ids,
// and of the log with it.
//
// Threads  any that may wait for the engine.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "server/sessions/session_call.h"
#include "session/session.h"

namespace quire {

// kContextLength if this model has no context for the window, or if prompt and summary are more
// than there will be room for behind what is to be summarised.
Status CheckWindow(const ReadyModel& model, const StreamWindow& stream);

// Writes state.next_summary when it is time to; waits for it, for kSummaryPatience at most and no
// longer than call.stop lets it. One that cannot be had is tried again with the next piece; an
// error, that of Engine::Submit or kUnavailable, only when it is needed now.
inline constexpr auto kSummaryPatience = std::chrono::minutes(5);
Status SummariseInTime(const SessionCall& call, const std::vector<TokenId>& tokens, uint64_t coming,
                       SessionState& state);

}  // namespace quire
