#include "server/sessions/stream_window.h"

#include <algorithm>
#include <string>
#include <utility>

namespace quire {
namespace {

uint64_t TokensIn(const std::vector<LogSpan>& spans, uint64_t end) {
  uint64_t tokens = 0;
  for (const LogSpan& span : spans) {
    tokens += std::min<uint64_t>(span.end, end) - std::min<uint64_t>(span.begin, end);
  }
  return tokens;
}

// What a new context holds before its newest tokens, at most.
uint64_t MostFixed(const SessionState& state) {
  const uint64_t summary =
      std::max<uint64_t>(state.stream.summary_tokens, state.next_summary.size());
  return state.stream.sink_tokens + TokensIn(state.kept, UINT64_MAX) + summary;
}

// sink | kept before the tail | summary | tail
WindowFit Compose(const SessionState& state, const std::vector<TokenId>& tokens, uint64_t tail) {
  WindowFit fit;
  fit.anew = true;
  const auto take = [&](uint64_t begin, uint64_t end) {
    fit.tokens.insert(fit.tokens.end(), tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                      tokens.begin() + static_cast<std::ptrdiff_t>(end));
  };
  const auto here = [&] { return static_cast<uint32_t>(fit.tokens.size()); };
  const uint64_t sink = std::min<uint64_t>(state.stream.sink_tokens, tail);
  take(0, sink);
  LogSpan before{here(), here()};
  for (const LogSpan& span : state.kept) {
    const uint64_t begin = std::max<uint64_t>(span.begin, sink);
    const uint64_t end = std::min<uint64_t>(span.end, tail);
    if (begin < end) take(begin, end);
  }
  before.end = here();
  if (before.begin < before.end) fit.kept.push_back(before);
  fit.summary.begin = here();
  fit.tokens.insert(fit.tokens.end(), state.next_summary.begin(), state.next_summary.end());
  fit.summary.end = here();
  const uint32_t start = here();
  take(tail, tokens.size());
  for (const LogSpan& span : state.kept) {
    if (span.end <= tail) continue;
    const uint64_t begin = std::max<uint64_t>(span.begin, tail) - tail;
    fit.kept.push_back(
        {start + static_cast<uint32_t>(begin), start + static_cast<uint32_t>(span.end - tail)});
  }
  const uint64_t summaries = fit.summary.end - fit.summary.begin;
  const LogSpan& old = state.summary;
  const uint64_t old_gone = std::min<uint64_t>(old.end, tail) - std::min<uint64_t>(old.begin, tail);
  fit.dropped = tokens.size() + summaries - fit.tokens.size() - old_gone;
  return fit;
}

}  // namespace

uint32_t TailBegin(const SessionState& state) {
  const uint64_t begin = state.stream.window_tokens / 2 + MostFixed(state);
  return static_cast<uint32_t>(std::min<uint64_t>(begin, state.stream.window_tokens));
}

bool IsAhead(const SessionState& state, uint64_t tokens) {
  const uint64_t window = state.stream.window_tokens;
  return window > 0 && tokens >= window - window / 4 && tokens > TailBegin(state);
}

bool WantsSummary(const SessionState& state, uint64_t tokens, uint64_t coming) {
  if (state.stream.summary_tokens == 0 || state.summarised) return false;
  return tokens + coming > state.stream.window_tokens || IsAhead(state, tokens);
}

void ForgetSummary(SessionState& state) {
  state.next_summary.clear();
  state.summarised = false;
}

std::vector<TokenId> NextContext(const SessionState& state, const std::vector<TokenId>& tokens) {
  if (!IsAhead(state, tokens.size())) return {};
  return Compose(state, tokens, TailBegin(state)).tokens;
}

Result<WindowFit> FitWindow(const SessionState& state, std::vector<TokenId> tokens,
                            uint64_t coming) {
  const StreamWindow& window = state.stream;
  const uint64_t half = window.window_tokens / 2;
  if (coming > window.window_tokens - half) {
    return Refuse(ErrorCode::kContextLength,
                  "an answer of " + std::to_string(coming) +
                      " tokens is more than half of the window of " +
                      std::to_string(window.window_tokens) + " that this session has; ask for less",
                  "max_tokens");
  }
  WindowFit fit;
  fit.anew = tokens.size() + coming > window.window_tokens;
  if (!fit.anew || tokens.size() <= half) {
    fit.tokens = std::move(tokens);
    fit.kept = state.kept;
    fit.summary = state.summary;
    return fit;
  }
  if (IsAhead(state, tokens.size())) {
    WindowFit foreseen = Compose(state, tokens, TailBegin(state));
    if (foreseen.tokens.size() + coming <= window.window_tokens) return foreseen;
  }
  // Somebody fed more at once than could be foreseen.
  const uint64_t newest = half - std::min(half - 1, MostFixed(state));
  return Compose(state, tokens, tokens.size() - newest);
}

Status KeepLast(uint64_t more, uint64_t tokens, SessionState& state) {
  const StreamWindow& window = state.stream;
  const uint64_t already = MostFixed(state);
  if (already + more > window.window_tokens / 4) {
    return Refuse(ErrorCode::kContextLength,
                  "a quarter of a window, here " + std::to_string(window.window_tokens / 4) +
                      " tokens, can be kept for ever; sink, summary and what is kept have " +
                      std::to_string(already) + ", and this has " + std::to_string(more),
                  "keep");
  }
  ForgetSummary(state);  // it was of less than what is now before the tail
  const auto begin = static_cast<uint32_t>(tokens - more);
  const auto end = static_cast<uint32_t>(tokens);
  if (!state.kept.empty() && state.kept.back().end == begin) {
    state.kept.back().end = end;
  } else if (more > 0) {
    state.kept.push_back({begin, end});
  }
  return {};
}

}  // namespace quire
