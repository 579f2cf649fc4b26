#include "base/size.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

TEST(Size, ReadsEveryUnit) {
  EXPECT_EQ(ParseSize("0").value(), 0u);
  EXPECT_EQ(ParseSize("4096").value(), 4096u);
  EXPECT_EQ(ParseSize("17B").value(), 17u);
  EXPECT_EQ(ParseSize("8k").value(), 8 * kKiB);
  EXPECT_EQ(ParseSize("256MiB").value(), 256 * kMiB);
  EXPECT_EQ(ParseSize("256 mib").value(), 256 * kMiB);
  EXPECT_EQ(ParseSize("1.5GiB").value(), 3 * kGiB / 2);
  EXPECT_EQ(ParseSize("0.1KiB").value(), 102u);
  EXPECT_EQ(ParseSize("2T").value(), 2 * kTiB);
  EXPECT_EQ(ParseSize("18446744073709551615").value(), UINT64_MAX);
  EXPECT_EQ(ParseSize("1.99999999999999999999999999999999KiB").value(), 2047u);
}

TEST(Size, RefusesWhatItCannotMean) {
  for (const char* text : {"", " ", "MiB", "-1", "1.", ".5GiB", "1.5.5", "256MB", "12 apples",
                           "1e9", "18446744073709551616", "16777216TiB",
                           "99999999999999999999999999", "1GiB ", " 1GiB", "+1", "0x10", "nan"}) {
    const auto size = ParseSize(text);
    ASSERT_FALSE(size.has_value()) << text;
    EXPECT_EQ(size.error().code, ErrorCode::kInvalidArgument) << text;
    EXPECT_NE(size.error().message.find(text), std::string::npos) << text;
  }
}

TEST(Size, PrintsTheLargestUnit) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(1023), "1023 B");
  EXPECT_EQ(FormatSize(kKiB), "1 KiB");
  EXPECT_EQ(FormatSize(3 * kGiB / 2), "1.5 GiB");
  EXPECT_EQ(FormatSize(256 * kMiB), "256 MiB");
  EXPECT_EQ(FormatSize(kGiB - 1), "1024 MiB");
  EXPECT_EQ(FormatSize(UINT64_MAX), "16777216 TiB");
}

TEST(Size, ReadsBackWhatItPrints) {
  for (uint64_t bytes : {uint64_t{1}, 37 * kKiB, 3 * kMiB / 2, 7 * kGiB / 2, 900 * kTiB}) {
    EXPECT_EQ(ParseSize(FormatSize(bytes)).value(), bytes);
  }
}

}  // namespace
}  // namespace quire
