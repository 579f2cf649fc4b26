#include "text/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace quire {
namespace {

struct Naive {
  std::string text;  // before the match, or everything
  int which = -1;
};

// Byte by byte: does any stop string end here? The longest one, the first of equal ones.
Naive Search(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    int best = -1;
    for (size_t i = 0; i < stops.size(); ++i) {
      const bool ends_here =
          !stops[i].empty() && std::string_view(text).substr(0, end).ends_with(stops[i]);
      if (ends_here && (best < 0 || stops[i].size() > stops[best].size())) {
        best = static_cast<int>(i);
      }
    }
    if (best >= 0) return {text.substr(0, end - stops[best].size()), best};
  }
  return {text, -1};
}

// What may be shown: all but the longest end of the text that begins some stop string.
size_t Showable(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t held = text.size(); held > 0; --held) {
    for (const std::string& stop : stops) {
      if (stop.starts_with(std::string_view(text).substr(text.size() - held))) {
        return text.size() - held;
      }
    }
  }
  return text.size();
}

std::string RandomString(std::mt19937& rng, size_t most) {
  std::string text;
  for (size_t n = rng() % (most + 1); n > 0; --n) text += static_cast<char>('a' + rng() % 2);
  return text;
}

TEST(StopMatcher, EqualsANaiveSearchUnderAnyCuts) {
  std::mt19937 rng(4);
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> stops;
    for (uint32_t n = rng() % 4; n > 0; --n) stops.push_back(RandomString(rng, 6));
    const std::string text = RandomString(rng, 40);
    const Naive want = Search(text, stops);
    StopMatcher matcher(stops);
    std::string shown;
    int which = -1;
    for (size_t at = 0; at < text.size() && which < 0;) {
      const size_t size = rng() % 4;
      const auto out = matcher.Append(std::string_view(text).substr(at, size));
      at += size;
      shown += out.text;
      if (out.stopped) which = out.which;
      if (!out.stopped) {
        ASSERT_EQ(shown.size(), Showable(text.substr(0, at), stops));  // no more is held than must
      }
    }
    shown += matcher.Finish();
    ASSERT_EQ(shown, want.text);
    ASSERT_EQ(which, want.which);
  }
}

TEST(StopMatcher, NothingComesAfterAStop) {
  StopMatcher matcher({"END"});
  EXPECT_EQ(matcher.Append("some E").text, "some ");
  const auto out = matcher.Append("ND more");
  EXPECT_TRUE(out.stopped);
  EXPECT_EQ(out.which, 0);
  EXPECT_EQ(out.text, "");
  EXPECT_EQ(matcher.Append("END x").text, "");
  EXPECT_EQ(matcher.Finish(), "");
}

TEST(StopMatcher, EmptyStopsAreIgnored) {
  StopMatcher matcher({"", ""});
  EXPECT_EQ(matcher.Append("abc").text, "abc");
}

}  // namespace
}  // namespace quire
