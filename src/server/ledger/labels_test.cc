// What clients may call their requests, and how a query is read.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "server/http/query_fields.h"
#include "server/openai/request_labels.h"

namespace quire {
namespace {

TEST(RequestLabels, AreShortTextsWithoutControls) {
  for (const std::string& fine :
       {std::string(), std::string("chat"), std::string("<b>&\"'"), std::string("a/b c"),
        std::string("größe ✓ 例"), std::string(64, 'x')}) {
    EXPECT_TRUE(CheckLabel(fine, "f")) << fine;
  }
  for (const std::string& bad :
       {std::string(65, 'x'), std::string(1 << 20, 'x'), std::string("a\nb"),
        std::string("a\0b", 3), std::string("\x1b[31m"), std::string("\x7f"),
        std::string("\xc2\x85"), std::string("\xe2\x80\xae"), std::string("\xe2\x80\xa8"),
        std::string("\xff\xfe"), std::string("\xef\xbb\xbf")}) {
    const Status checked = CheckLabel(bad, "X-Quire-Route");
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().param, "X-Quire-Route");
    EXPECT_LT(checked.error().message.size(), 200u);
  }
}

TEST(RequestLabels, ComeFromMetadata) {
  const auto read = [](const char* text) { return ReadLabels(Json::parse(text)); };
  EXPECT_EQ(read(R"({"route": "a", "version": "2", "x": 5})")->route, "a");
  EXPECT_EQ(read(R"({"route": "a", "version": "2", "x": 5})")->version, "2");
  EXPECT_TRUE(read(R"({})")->empty());
  EXPECT_TRUE(read(R"("route")")->empty());
  EXPECT_EQ(read(R"({"route": 5})").error().param, "metadata.route");
  EXPECT_EQ(read(R"({"version": "\u0000"})").error().param, "metadata.version");
}

TEST(RequestIds, ArePlain) {
  EXPECT_TRUE(CheckRequestId("req-0123456789abcdef", "f"));
  EXPECT_FALSE(CheckRequestId(std::string(129, 'a'), "f"));
  EXPECT_FALSE(CheckRequestId("a b", "f"));
  EXPECT_FALSE(CheckRequestId("a\"b", "f"));
  EXPECT_FALSE(CheckRequestId("\xc3\xa4", "f"));
}

TEST(QueryFields, AreReadByNameAndType) {
  auto fields = QueryFields::Parse("a=1&b=x+y%21&c=&d&&%65=2");
  ASSERT_TRUE(fields);
  EXPECT_EQ(*fields->Integer("a", 0, 5), 1);
  EXPECT_EQ(fields->Text("b"), "x y!");
  EXPECT_EQ(fields->Text("c"), "");
  EXPECT_EQ(fields->Text("d"), "");
  EXPECT_EQ(fields->Finish("a").error().param, "e");
  EXPECT_EQ(fields->Text("e"), "2");
  EXPECT_TRUE(fields->Finish("a"));
  EXPECT_EQ(fields->Text("a"), std::nullopt);
}

TEST(QueryFields, RefuseWhatIsBroken) {
  for (const char* bad : {"a=%", "a=%4", "a=%zz", "%ff=1", "a=%c0%80", "a=1&a=2"}) {
    EXPECT_FALSE(QueryFields::Parse(bad)) << bad;
  }
  std::string many;
  for (int i = 0; i < 100; ++i) many += "x" + std::to_string(i) + "=1&";
  EXPECT_FALSE(QueryFields::Parse(many));
  for (const char* bad : {"n=", "n=x", "n=-1", "n=11", "n=1.5", "n= 1", "n=99999999999999999999"}) {
    auto fields = QueryFields::Parse(bad);
    ASSERT_TRUE(fields) << bad;
    EXPECT_EQ(fields->Integer("n", 0, 10).error().param, "n") << bad;
  }
}

}  // namespace
}  // namespace quire
