#include "server/sessions/stream_window.h"

#include <string>
#include <utility>

namespace quire {

Result<WindowFit> FitWindow(const StreamWindow& window, std::vector<TokenId> tokens,
                            uint64_t coming) {
  const uint64_t half = window.window_tokens / 2;
  WindowFit fit;
  if (coming > window.window_tokens - half) {
    return Refuse(ErrorCode::kContextLength,
                  "an answer of " + std::to_string(coming) +
                      " tokens is more than half of the "
                      "window of " +
                      std::to_string(window.window_tokens) + " that this session has; ask for less",
                  "max_tokens");
  }
  fit.anew = tokens.size() + coming > window.window_tokens;
  if (fit.anew && tokens.size() > half) {
    const auto begin = tokens.begin() + window.sink_tokens;
    const auto end = tokens.end() - static_cast<std::ptrdiff_t>(half - window.sink_tokens);
    fit.dropped = static_cast<uint64_t>(end - begin);
    tokens.erase(begin, end);
  }
  fit.tokens = std::move(tokens);
  return fit;
}

}  // namespace quire
