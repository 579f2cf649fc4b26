#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "text/utf8.h"

namespace quire {
namespace {

std::string Whole(std::string_view bytes) {
  std::string pending;
  std::string out;
  AppendValidUtf8(bytes, pending, out);
  return out + (pending.empty() ? "" : std::string(kReplacementCharacter));
}

std::string InPieces(std::string_view bytes, std::mt19937& rng) {
  std::string pending;
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = std::min<size_t>(rng() % 4, bytes.size() - at);
    AppendValidUtf8(bytes.substr(at, size), pending, out);
    EXPECT_TRUE(IsValidUtf8(out));
    EXPECT_LE(pending.size(), 3u);
    at += size;
  }
  return out + (pending.empty() ? "" : std::string(kReplacementCharacter));
}

TEST(Detokenizer, CutsDoNotMatter) {
  std::mt19937 rng(3);
  const std::string parts[] = {"a",       "é",    "日",           "😀",       "\xF0\x9F",
                               "\xFF",    "\x80", "\xED\xA0\x80", "\xC0\x80", "\xF4\x90\x80\x80",
                               "\xE0\x80"};
  for (int round = 0; round < 20000; ++round) {
    std::string bytes;
    for (uint32_t n = rng() % 8; n > 0; --n) bytes += parts[rng() % std::size(parts)];
    ASSERT_EQ(InPieces(bytes, rng), Whole(bytes));
    if (IsValidUtf8(bytes)) {
      ASSERT_EQ(Whole(bytes), bytes);
    }
  }
}

TEST(Detokenizer, ReplacesMaximalInvalidParts) {
  const std::string r(kReplacementCharacter);
  EXPECT_EQ(Whole("\xF0\x9F\x98"), r);  // one unfinished character
  EXPECT_EQ(Whole("\xF0\x9F\x98"
                  "a"),
            r + "a");
  EXPECT_EQ(Whole("\xED\xA0\x80"), r + r + r);          // a surrogate
  EXPECT_EQ(Whole("\xC0\x80"), r + r);                  // overlong
  EXPECT_EQ(Whole("\xF4\x90\x80\x80"), r + r + r + r);  // beyond U+10FFFF
}

TEST(Utf8, FindsTheValidPrefixAtAnyAlignment) {
  for (size_t before = 0; before < 20; ++before) {
    const std::string ascii(before, 'x');
    EXPECT_EQ(ValidUtf8Prefix(ascii + "\xE6\x97\xA5" + ascii), 2 * before + 3);
    EXPECT_EQ(ValidUtf8Prefix(ascii + "\xE6\x97" + ascii), before);
    EXPECT_EQ(ValidUtf8Prefix(ascii + "\x80" + ascii), before);
  }
}

}  // namespace
}  // namespace quire
