#include "server/openai/json_input.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace quire {
namespace {

std::string Nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(ParseJson, ReadsObjectsInOrder) {
  const auto json = ParseJson(R"({"b": 1, "a": [true, null, "x"]})");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->dump(), R"({"b":1,"a":[true,null,"x"]})");
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  for (const char* text : {"", "  ", "{", "{\"a\": 1,}", "{'a': 1}", "NaN", "[Infinity]", "[1e999]",
                           "[-NaN]", "[01]", "{\"a\": 1} x", "\"\\ud800\"", "[\"\t\"]"}) {
    const auto json = ParseJson(text);
    ASSERT_FALSE(json) << text;
    EXPECT_EQ(json.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(ParseJson, RefusesBytesThatAreNotUtf8) {
  for (const char* text : {"[\"\xff\"]", "[\"\xc3\"]", "[\"\xed\xa0\x80\"]", "\xff\xfe[]"}) {
    EXPECT_FALSE(ParseJson(text)) << text;
  }
}

TEST(ParseJson, BoundsTheDepth) {
  EXPECT_TRUE(ParseJson(Nested(kMaxJsonDepth)));
  EXPECT_FALSE(ParseJson(Nested(kMaxJsonDepth + 1)));
  EXPECT_FALSE(ParseJson(std::string(1'000'000, '[')));
  // Brackets inside strings are no nesting.
  EXPECT_TRUE(ParseJson("\"" + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + "\""));
}

TEST(ParseJson, BoundsTheNumberOfValues) {
  std::string many = "[0";
  for (size_t i = 0; i < kMaxJsonValues; ++i) many += ",0";
  EXPECT_FALSE(ParseJson(many + "]"));
}

TEST(ParseJson, BoundsTheKeysOfAnObject) {
  const auto with_keys = [](size_t count) {
    std::string text = "{\"k0\": [1, 2]";
    for (size_t i = 1; i < count; ++i) text += ", \"k" + std::to_string(i) + "\": {\"a\": 1}";
    return text + "}";
  };
  EXPECT_TRUE(ParseJson(with_keys(kMaxJsonKeys)));
  EXPECT_FALSE(ParseJson(with_keys(kMaxJsonKeys + 1)));
}

class FieldReaderTest : public ::testing::Test {
 protected:
  FieldReader Read(const char* text) {
    json_ = *ParseJson(text);
    return *FieldReader::Of(json_);
  }
  Json json_;
};

TEST_F(FieldReaderTest, TakesFieldsByType) {
  FieldReader reader = Read(R"({"b": true, "i": -3, "n": 0.5, "s": "x", "null": null})");
  EXPECT_EQ(*reader.Bool("b"), true);
  EXPECT_EQ(*reader.Integer("i", -5, 5), -3);
  EXPECT_EQ(*reader.Number("n", {0, 1}), 0.5);
  EXPECT_EQ(*reader.String("s"), "x");
  EXPECT_EQ(*reader.Bool("null"), std::nullopt);
  EXPECT_EQ(*reader.String("absent"), std::nullopt);
  EXPECT_TRUE(reader.Unknown().empty());
}

TEST_F(FieldReaderTest, RefusesOtherTypesNamingTheField) {
  FieldReader reader = Read(R"({"b": 1, "i": 1.5, "s": ["x"], "n": "1", "i2": true})");
  EXPECT_EQ(reader.Bool("b").error().param, "b");
  EXPECT_EQ(reader.Integer("i", 0, 9).error().param, "i");
  EXPECT_EQ(reader.Integer("i2", 0, 9).error().param, "i2");
  EXPECT_EQ(reader.Number("n", {0, 1}).error().param, "n");
  EXPECT_EQ(reader.String("s").error().message, "'s' must be a string, not a list");
}

TEST_F(FieldReaderTest, ChecksRanges) {
  FieldReader reader = Read(R"({"low": -1, "high": 18446744073709551615, "big": 1e30, "zero": 0})");
  EXPECT_FALSE(reader.Integer("low", 0, 10));
  EXPECT_FALSE(reader.Integer("high", 0, 10));
  EXPECT_FALSE(reader.Integer("big", 0, 10));
  EXPECT_FALSE(reader.Number("big", {0, 10}));
  EXPECT_TRUE(reader.Number("zero", {0, 10}));
  EXPECT_FALSE(reader.Number("zero", {0, 10, true}));
}

TEST_F(FieldReaderTest, ListsWhatNobodyTook) {
  FieldReader reader = Read(R"({"known": 1, "x": 1, "y": null, "z": {}})");
  (void)reader.Integer("known", 0, 9);
  EXPECT_EQ(reader.Unknown(), (std::vector<std::string>{"x", "z"}));
}

TEST(FieldReader, WantsAnObject) {
  const Json list = Json::array();
  EXPECT_FALSE(FieldReader::Of(list));
}

}  // namespace
}  // namespace quire
