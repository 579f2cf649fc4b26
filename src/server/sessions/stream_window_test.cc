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
  const StreamWindow window{4, 32};
  const auto fits = FitWindow(window, Range(0, 32), 0);
  ASSERT_TRUE(fits);
  EXPECT_FALSE(fits->anew);
  EXPECT_EQ(fits->tokens, Range(0, 32));
  const auto anew = FitWindow(window, Range(0, 33), 0);
  ASSERT_TRUE(anew && anew->anew);
  std::vector<TokenId> expected = Range(0, 4);
  const std::vector<TokenId> last = Range(21, 12);
  expected.insert(expected.end(), last.begin(), last.end());
  EXPECT_EQ(anew->tokens, expected);
  EXPECT_EQ(anew->dropped, 17u);
  EXPECT_FALSE(FitWindow(window, Range(0, 3), 17));
  EXPECT_TRUE(FitWindow(window, Range(0, 32), 16)->anew);
}

// Whatever comes in which pieces: bounded, the sink first, the newest last, and nothing uncounted.
TEST(FitWindow, IsBoundedForEver) {
  std::mt19937 random(1);
  const StreamWindow window{5, 64};
  std::vector<TokenId> context;
  uint64_t dropped = 0;
  TokenId next = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto more = Range(next, random() % 100);
    next += static_cast<TokenId>(more.size());
    context.insert(context.end(), more.begin(), more.end());
    auto fit = FitWindow(window, std::move(context), 0);
    ASSERT_TRUE(fit);
    context = std::move(fit->tokens);
    dropped += fit->dropped;
    ASSERT_LE(context.size(), window.window_tokens);
    ASSERT_EQ(context.size() + dropped, static_cast<uint64_t>(next));
    if (context.size() >= 5) {
      ASSERT_EQ(std::vector(context.begin(), context.begin() + 5), Range(0, 5));
    }
    if (!context.empty()) {
      ASSERT_EQ(context.back(), next - 1);
    }
  }
}

}  // namespace
}  // namespace quire
