#include "server/trace/trace_context.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace quire {
namespace {

constexpr const char* kTrace = "0af7651916cd43dd8448eb211c80319c";
constexpr const char* kParent = "b7ad6b7169203331";

std::string Header(const std::string& flags = "01", const std::string& version = "00") {
  return version + "-" + kTrace + "-" + kParent + "-" + flags;
}

TEST(Traceparent, IsRead) {
  const auto parsed = ParseTraceparent(Header());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(Hex(parsed->trace), kTrace);
  EXPECT_EQ(Hex(parsed->parent), kParent);
  EXPECT_TRUE(parsed->sampled);
  EXPECT_FALSE(ParseTraceparent(Header("00"))->sampled);
  EXPECT_FALSE(ParseTraceparent(Header("fe"))->sampled) << "the other flags are not ours";
  EXPECT_TRUE(ParseTraceparent(Header("ff"))->sampled);
}

TEST(Traceparent, LaterVersionsMayBeLonger) {
  EXPECT_TRUE(ParseTraceparent(Header("01", "cc")));
  EXPECT_TRUE(ParseTraceparent(Header("01", "cc") + "-what-is-this"));
  EXPECT_TRUE(ParseTraceparent(Header("01", "01") + "-"));
  EXPECT_FALSE(ParseTraceparent(Header("01", "cc") + ".what"));
  EXPECT_FALSE(ParseTraceparent(Header("01", "cc") + "0"));
  EXPECT_FALSE(ParseTraceparent(Header("01", "00") + "-"));
  EXPECT_FALSE(ParseTraceparent(Header("01", "ff")));
}

TEST(Traceparent, IsExactOrNone) {
  const std::string good = Header();
  for (size_t i = 0; i < good.size(); ++i) {
    EXPECT_FALSE(ParseTraceparent(good.substr(0, i))) << i;
    for (const char c : {'-', 'g', 'A', ' ', '\0', '\x80', '/', ':', '`'}) {
      if (good[i] == c) continue;
      std::string bad = good;
      bad[i] = c;
      EXPECT_FALSE(ParseTraceparent(bad)) << bad;
    }
  }
  EXPECT_FALSE(ParseTraceparent(""));
  EXPECT_FALSE(ParseTraceparent(std::string(100'000, '0')));
  EXPECT_FALSE(ParseTraceparent(" " + good));
  EXPECT_FALSE(ParseTraceparent(good + " "));
  EXPECT_FALSE(ParseTraceparent("00-" + std::string(32, '0') + "-" + kParent + "-01"));
  EXPECT_FALSE(ParseTraceparent(std::string("00-") + kTrace + "-" + std::string(16, '0') + "-01"));
}

TEST(TraceContext, GoesOnWithTheClientsTrace) {
  const TraceContext context = BeginTrace(Header(), 0);
  EXPECT_EQ(Hex(context.trace), kTrace);
  EXPECT_EQ(Hex(context.parent), kParent);
  EXPECT_NE(context.span, kNoSpan);
  EXPECT_TRUE(context.is_sampled) << "as the client says, whatever the share";
  EXPECT_FALSE(BeginTrace(Header("00"), 1).is_sampled);
  const std::string told = FormatTraceparent(context);
  EXPECT_EQ(told, std::string("00-") + kTrace + "-" + Hex(context.span) + "-01");
  EXPECT_EQ(ParseTraceparent(told)->parent, context.span);
}

TEST(TraceContext, BeginsAnew) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const TraceContext context = BeginTrace(i % 2 == 0 ? "" : "00-junk", 1);
    EXPECT_EQ(context.parent, kNoSpan);
    EXPECT_TRUE(context.is_sampled);
    EXPECT_TRUE(ParseTraceparent(FormatTraceparent(context)));
    seen.insert(Hex(context.trace));
    seen.insert(Hex(context.span));
  }
  EXPECT_EQ(seen.size(), 200u);
}

TEST(TraceContext, AShareIsSampled) {
  constexpr int kMany = 20'000;
  for (const double share : {0.0, 0.1, 0.5, 1.0}) {
    int sampled = 0;
    for (int i = 0; i < kMany; ++i) sampled += BeginTrace("", share).is_sampled;
    EXPECT_NEAR(sampled, kMany * share, 500) << share;
    if (share == 0 || share == 1) {
      EXPECT_EQ(sampled, kMany * share);
    }
  }
  TraceId last = kNoTrace;
  last.fill(0xff);
  EXPECT_TRUE(IsInShare(last, 1));
  EXPECT_FALSE(IsInShare(last, 0.999));
  EXPECT_FALSE(IsInShare(kNoTrace, 0));
}

}  // namespace
}  // namespace quire
