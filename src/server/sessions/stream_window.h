// server/sessions/stream_window.h -- how an endless log fits into a window.
//
//   full    sink | summary | ..kept... | ............. | last
//   anew    sink | kept | summary | last                  about window / 2 tokens in all
//
// When what is there and what is to come would not fit, the context begins anew: the sink, what the
// client wanted kept, the model's summary of what goes, and the newest tokens, at positions from 0.
// So its KV is a function of the tokens it holds, as any other's, and every token is read about
// twice. Where the newest tokens begin is known long before (TailBegin), so that from three
// quarters on the next context can be read beside this one, ahead of need.
//
// Threads  pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "session/session.h"

namespace quire {

struct WindowFit {
  bool anew = false;
  std::vector<TokenId> tokens;  // the context
  uint64_t dropped = 0;         // of what was fed; summaries do not count
  std::vector<LogSpan> kept;    // where they are now
  LogSpan summary;
};
// `tokens`: the log with what is added to it; `state.kept` are places in it. `coming`: tokens that
// must still find room. kContextLength if they never do.
Result<WindowFit> FitWindow(const SessionState& state, std::vector<TokenId> tokens,
                            uint64_t coming);

// Where the newest tokens of the next context will begin, if the log gets to its full length in
// pieces that are not too long. What is before it will be summarised.
uint32_t TailBegin(const SessionState& state);

// Whether the log has come so far that the next context should be read.
bool IsAhead(const SessionState& state, uint64_t tokens);

// Whether the model is to be asked now what it says about that which will be dropped. `coming`: as
// for FitWindow. Once it was asked, it is not asked again before the next context.
bool WantsSummary(const SessionState& state, uint64_t tokens, uint64_t coming);

// What the model said was of another log.
void ForgetSummary(SessionState& state);

// The next context as far as it is known; empty unless IsAhead.
std::vector<TokenId> NextContext(const SessionState& state, const std::vector<TokenId>& tokens);

// Adds the last `more` of `tokens` to what is kept. kContextLength with the arithmetic if that is
// more than a window may keep.
Status KeepLast(uint64_t more, uint64_t tokens, SessionState& state);

}  // namespace quire
