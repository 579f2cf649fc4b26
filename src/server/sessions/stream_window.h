// server/sessions/stream_window.h -- how an endless log fits into a window.
//
//   full    sink | dropped ............... | last
//   anew    sink | last                              window / 2 tokens in all
//
// When what is there and what is to come would not fit, the context begins anew: the sink and the
// newest tokens, at positions from 0. So its KV is a function of the tokens it holds, as any
// other's, and every token is read about twice.
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
  uint64_t dropped = 0;
};
// `coming`: tokens that must still find room. kContextLength if they never do.
Result<WindowFit> FitWindow(const StreamWindow& window, std::vector<TokenId> tokens,
                            uint64_t coming);

}  // namespace quire
