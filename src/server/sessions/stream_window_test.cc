#include "server/sessions/stream_window.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace quire {
namespace {

std::vector<TokenId> Range(TokenId first, size_t count) {
  std::vector<TokenId> tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

TEST(FitWindow, KeepsTheSinkAndTheNewestHalf) {
  SessionState state;
  state.stream = {4, 32, 0, ""};
  const auto fits = FitWindow(state, Range(0, 32), 0);
  ASSERT_TRUE(fits);
  EXPECT_FALSE(fits->anew);
  EXPECT_EQ(fits->tokens, Range(0, 32));
  const auto anew = FitWindow(state, Range(0, 33), 0);
  ASSERT_TRUE(anew && anew->anew);
  std::vector<TokenId> expected = Range(0, 4);
  const std::vector<TokenId> last = Range(20, 13);
  expected.insert(expected.end(), last.begin(), last.end());
  EXPECT_EQ(anew->tokens, expected);
  EXPECT_EQ(anew->dropped, 16u);
  EXPECT_FALSE(FitWindow(state, Range(0, 3), 17));
  EXPECT_TRUE(FitWindow(state, Range(0, 32), 16)->anew);
}

std::vector<TokenId> Part(const std::vector<TokenId>& tokens, LogSpan span) {
  return {tokens.begin() + span.begin, tokens.begin() + span.end};
}

// Whatever comes in which pieces: bounded, the sink first, what is kept and the summary behind it,
// the newest last, nothing uncounted, and what was foreseen is what comes.
TEST(FitWindow, IsBoundedForEver) {
  std::mt19937 random(1);
  SessionState state;
  state.stream = {5, 128, 6, "?"};
  std::vector<TokenId> context;
  std::vector<TokenId> kept;
  uint64_t dropped = 0;
  uint64_t foreseen_times = 0;
  TokenId next = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto more = Range(next, random() % 30);
    if (IsAhead(state, context.size()) && state.next_summary.empty()) {
      state.next_summary = Range(-50, 1 + random() % 6);
    }
    std::vector<TokenId> foreseen = NextContext(state, context);
    next += static_cast<TokenId>(more.size());
    context.insert(context.end(), more.begin(), more.end());
    if (random() % 10 == 0 && KeepLast(more.size(), context.size(), state)) {
      kept.insert(kept.end(), more.begin(), more.end());
      EXPECT_TRUE(state.next_summary.empty()) << "it was of less";
      foreseen.clear();
    }
    const bool full = context.size() > state.stream.window_tokens;
    if (state.next_summary.empty() && full) state.next_summary = Range(-50, 1 + random() % 6);
    auto fit = FitWindow(state, context, 0);
    ASSERT_TRUE(fit);
    ASSERT_EQ(fit->anew, full);
    if (full && !foreseen.empty()) {
      foreseen.insert(foreseen.end(), more.begin(), more.end());
      ASSERT_EQ(fit->tokens, foreseen);
      ++foreseen_times;
    }
    if (full) {
      const std::vector<TokenId> summary = state.next_summary;
      ASSERT_LE(fit->tokens.size(), state.stream.window_tokens / 2 + more.size());
      context = std::move(fit->tokens);
      dropped += fit->dropped;
      state.kept = fit->kept;
      state.summary = fit->summary;
      state.next_summary.clear();
      ASSERT_EQ(Part(context, state.summary), summary);
    }
    const uint64_t summary = state.summary.end - state.summary.begin;
    ASSERT_LE(context.size(), state.stream.window_tokens);
    ASSERT_EQ(context.size() - summary + dropped, static_cast<uint64_t>(next));
    if (next >= 5) {
      ASSERT_EQ(Part(context, {0, 5}), Range(0, 5));
    }
    std::vector<TokenId> held;
    for (const LogSpan& span : state.kept) {
      const auto part = Part(context, span);
      held.insert(held.end(), part.begin(), part.end());
    }
    ASSERT_EQ(held, kept) << i;
    ASSERT_TRUE(context.empty() || context.back() == next - 1);
  }
  EXPECT_GT(foreseen_times, 100u);
  EXPECT_FALSE(kept.empty());
}

// Small pieces: the context that begins anew goes on with the one that was foreseen.
TEST(FitWindow, BeginsAnewWithWhatWasForeseen) {
  SessionState state;
  state.stream = {4, 64, 3, "?"};
  std::vector<TokenId> context;
  std::vector<TokenId> foreseen;
  for (TokenId next = 0; next < 65; ++next) {
    context.push_back(next);
    if (IsAhead(state, context.size())) state.next_summary = {900, 901};
    if (context.size() <= 64) foreseen = NextContext(state, context);
    EXPECT_EQ(foreseen.empty(), context.size() < 48);
  }
  const auto fit = FitWindow(state, context, 0);
  ASSERT_TRUE(fit && fit->anew);
  foreseen.push_back(64);
  EXPECT_EQ(fit->tokens, foreseen);
  EXPECT_EQ(fit->dropped, 35u);  // [4, 39)
}

// Who had nothing to say is not asked again with every piece, but about the next context.
TEST(WantsSummary, AsksOncePerContext) {
  SessionState state;
  state.stream = {4, 128, 6, "?"};
  EXPECT_FALSE(WantsSummary(state, 95, 0));
  EXPECT_TRUE(WantsSummary(state, 96, 0));
  EXPECT_TRUE(WantsSummary(state, 90, 60)) << "the window is full with what is to come";
  state.summarised = true;
  for (uint64_t tokens = 96; tokens < 130; ++tokens) EXPECT_FALSE(WantsSummary(state, tokens, 0));
  ASSERT_TRUE(KeepLast(3, 100, state));
  EXPECT_TRUE(WantsSummary(state, 100, 0)) << "what goes is something else now";
  state.stream.summary_tokens = 0;
  EXPECT_FALSE(WantsSummary(state, 100, 0));
}

}  // namespace
}  // namespace quire
