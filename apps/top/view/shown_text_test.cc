// Nothing from elsewhere steers a terminal, and everything is as wide as it is said to be.
#include "apps/top/view/shown_text.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "text/utf8.h"

namespace quire {
namespace {

TEST(ShownText, ControlCharactersAreReplaced) {
  EXPECT_EQ(Printable("a\x1b[2Jb"), "a\uFFFD[2Jb");
  EXPECT_EQ(Printable("a\nb\tc\x7f"), "a\uFFFDb\uFFFDc\uFFFD");
  EXPECT_EQ(Printable("\u009b31m"), "\uFFFD31m");  // CSI as one character
  EXPECT_EQ(Printable("\u202Eevil"), "\uFFFDevil");
  EXPECT_EQ(Printable("soft\u00ADhyphen"), "soft\uFFFDhyphen");
  EXPECT_EQ(Printable("zero\u200Bwidth"), "zero\uFFFDwidth");
  EXPECT_EQ(Printable("\xff\xc3"), "\uFFFD\uFFFD");
  EXPECT_EQ(Printable("grüße 東京 🙂"), "grüße 東京 🙂");
}

TEST(ShownText, MarksPileUpNoFurther) {
  EXPECT_EQ(Printable("\u0301a"), "a");
  EXPECT_EQ(Printable("a\u0301\u0302\u0303\u0304b"), "a\u0301\u0302b");
  EXPECT_EQ(Columns("a\u0301\u0302b"), 2u);
}

TEST(ShownText, WideCharactersTakeTwoColumns) {
  EXPECT_EQ(Columns("東京"), 4u);
  EXPECT_EQ(Columns("🙂"), 2u);
  EXPECT_EQ(Fit("東京", 5), "東京 ");
  EXPECT_EQ(Fit("東京", 5, Align::kRight), " 東京");
  EXPECT_EQ(Fit("東京都", 5), "東京…");
  EXPECT_EQ(Fit("東京都", 4), "東… ");
  EXPECT_EQ(Fit("東京都", 1), "…");
  EXPECT_EQ(Fit("東京都", 0), "");
}

TEST(ShownText, AsciiIsAsWide) { EXPECT_EQ(ToAscii("a東b…"), "a??b?"); }

TEST(ShownText, AnyBytesFitAnyWidth) {
  EXPECT_TRUE(rc::check([](const std::string& bytes) {
    const std::string shown = Printable(bytes);
    RC_ASSERT(IsValidUtf8(shown));
    RC_ASSERT(Printable(shown) == shown);
    for (const char c : shown) RC_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    const size_t columns = *rc::gen::inRange<size_t>(0, 40);
    RC_ASSERT(Columns(Fit(shown, columns)) == columns);
    RC_ASSERT(ToAscii(shown).size() == Columns(shown));
  }));
}

}  // namespace
}  // namespace quire
