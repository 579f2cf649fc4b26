// What schemas allow, byte by byte, and what is refused, by name and place.
#include "grammar/source/json_schema.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "grammar/grammar.h"
#include "tests/support/grammar_vocabulary.h"

namespace quire {
namespace {

using Json = nlohmann::ordered_json;

const test::TestVocabulary& Vocabulary() {
  static const test::TestVocabulary vocabulary;
  return vocabulary;
}

class Schema {
 public:
  explicit Schema(std::string_view text) {
    Parts parts;
    const auto root = AddJsonSchema(parts, Json::parse(text));
    if (!root) {
      error_ = root.error();
      return;
    }
    auto grammar = Grammar::Compile(parts, *root, Vocabulary().trie());
    if (!grammar) {
      error_ = grammar.error();
    } else {
      grammar_ = *grammar;
    }
  }

  bool Takes(std::string_view text) const {
    EXPECT_TRUE(grammar_) << error_.message;
    if (!grammar_) return false;
    GrammarState state(grammar_);
    for (const char c : text) {
      if (!state.Advance(Vocabulary().TokenOf(std::string_view(&c, 1)))) return false;
    }
    return state.may_end();
  }

  // What it is refused with: the parameter; empty if it is not.
  const std::string& param() const { return error_.param; }
  const std::string& message() const { return error_.message; }
  bool refused() const { return grammar_ == nullptr; }

 private:
  std::shared_ptr<const Grammar> grammar_;
  Error error_;
};

TEST(JsonSchemaTest, Integers) {
  const Schema range(R"({"type": "integer", "minimum": -12, "exclusiveMaximum": 345})");
  for (int value = -400; value < 1000; ++value) {
    EXPECT_EQ(range.Takes(std::to_string(value)), value >= -12 && value < 345) << value;
  }
  EXPECT_FALSE(range.Takes("007"));
  EXPECT_FALSE(range.Takes("-0"));
  EXPECT_FALSE(range.Takes("1.0"));
  const Schema above(R"({"type": "integer", "exclusiveMinimum": 99})");
  EXPECT_TRUE(above.Takes("100"));
  EXPECT_TRUE(above.Takes("123456789012"));
  EXPECT_FALSE(above.Takes("99"));
  EXPECT_FALSE(above.Takes("-100"));
  const Schema whole(R"({"type": "integer", "minimum": -9223372036854775808,
                         "maximum": 9223372036854775807})");
  EXPECT_TRUE(whole.Takes("9223372036854775807"));
  EXPECT_FALSE(whole.Takes("9223372036854775808"));
  EXPECT_TRUE(whole.Takes("-9223372036854775808"));
}

TEST(JsonSchemaTest, Multiples) {
  const Schema listed(R"({"type": "integer", "multipleOf": 7, "minimum": -20, "maximum": 30})");
  const Schema counted(R"({"type": "integer", "multipleOf": 12, "minimum": -40})");
  for (int value = -100; value < 300; ++value) {
    EXPECT_EQ(listed.Takes(std::to_string(value)), value % 7 == 0 && value >= -20 && value <= 30);
    EXPECT_EQ(counted.Takes(std::to_string(value)), value % 12 == 0 && value >= -40) << value;
  }
}

TEST(JsonSchemaTest, Decimals) {
  const Schema range(R"({"type": "number", "minimum": -1.25, "exclusiveMaximum": 10.5})");
  for (const char* text : {"-1.25", "-1.250", "-1.2", "-1", "-0.001", "0", "0.0", "9", "10", "10.4",
                           "10.499999", "3.1415"}) {
    EXPECT_TRUE(range.Takes(text)) << text;
  }
  for (const char* text :
       {"-1.26", "-1.251", "-2", "10.5", "10.50", "10.51", "11", "1e1", ".5", "1.", "01"}) {
    EXPECT_FALSE(range.Takes(text)) << text;
  }
  const Schema thin(R"({"type": "number", "exclusiveMinimum": 0, "maximum": 0.05})");
  EXPECT_FALSE(thin.Takes("0"));
  EXPECT_FALSE(thin.Takes("0.000"));
  EXPECT_TRUE(thin.Takes("0.001"));
  EXPECT_TRUE(thin.Takes("0.05"));
  EXPECT_FALSE(thin.Takes("0.0501"));
  EXPECT_FALSE(Schema(R"({"type": "number", "maximum": 455.58000000000004})").Takes("455.581"));
}

TEST(JsonSchemaTest, Strings) {
  const Schema length(R"({"type": "string", "minLength": 2, "maxLength": 3})");
  EXPECT_TRUE(length.Takes("\"ab\""));
  EXPECT_TRUE(length.Takes("\"\xC3\xA9\xF0\x9F\x98\x80\\n\""));
  EXPECT_TRUE(length.Takes("\"\\ud83d\\ude00a\""));
  EXPECT_FALSE(length.Takes("\"\\ud83da\""));
  EXPECT_FALSE(length.Takes("\"a\""));
  EXPECT_FALSE(length.Takes("\"abcd\""));
  EXPECT_FALSE(length.Takes("\"a\nb\""));
  const Schema pattern(R"({"type": "string", "pattern": "^a+\"$|b", "maxLength": 4})");
  EXPECT_TRUE(pattern.Takes("\"aa\\\"\""));
  EXPECT_TRUE(pattern.Takes("\"xxbx\""));
  EXPECT_FALSE(pattern.Takes("\"xxbxx\""));
  EXPECT_FALSE(pattern.Takes("\"xaa\\\"\""));
  const Schema date(R"({"type": "string", "format": "date"})");
  EXPECT_TRUE(date.Takes("\"2024-02-29\""));
  EXPECT_FALSE(date.Takes("\"2023-02-29\""));
  EXPECT_FALSE(date.Takes("\"1900-02-29\""));
  EXPECT_TRUE(date.Takes("\"2000-02-29\""));
  EXPECT_FALSE(date.Takes("\"2023-04-31\""));
  const Schema address(R"({"type": "string", "format": "ipv6"})");
  for (const char* text : {"::", "::1", "a::", "1:2::3", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::"}) {
    EXPECT_TRUE(address.Takes('"' + std::string(text) + '"')) << text;
  }
  for (const char* text : {":", "a:", "1:2:3:4:5:6:7", "1::2::3", "1:2:3:4:5:6:7:8:9", "12345::"}) {
    EXPECT_FALSE(address.Takes('"' + std::string(text) + '"')) << text;
  }
}

TEST(JsonSchemaTest, Objects) {
  const Schema object(R"({"type": "object", "additionalProperties": false, "required": ["b"],
      "properties": {"a": {"type": "integer"}, "b": {"type": "null"}, "c": {"type": "boolean"}}})");
  for (const char* text : {R"({"b":null})", R"({"a": 1, "b": null, "c": true})",
                           "{\n  \"b\": null,\n  \"c\": false\n}", R"({"a":1,"b":null})"}) {
    EXPECT_TRUE(object.Takes(text)) << text;
  }
  for (const char* text : {"{}", R"({"a":1})", R"({"c":true,"b":null})", R"({"b":null,})",
                           R"({"b":null,"d":1})", R"({"b":null "c":true})", R"({,"b":null})"}) {
    EXPECT_FALSE(object.Takes(text)) << text;
  }
  const Schema open(R"({"type": "object", "properties": {"ab": {"type": "integer"}},
                        "additionalProperties": {"type": "string"}})");
  EXPECT_TRUE(open.Takes(R"({"ab":1,"abc":"x","a":"y","":"z"})"));
  EXPECT_TRUE(open.Takes(R"({"x":"y"})"));
  EXPECT_FALSE(open.Takes(R"({"x":"y","ab":"1"})"));
  EXPECT_FALSE(open.Takes(R"({"\u0061b":"1"})"));
  const Schema counted(R"({"type": "object", "properties": {"a": true, "b": true, "c": true},
      "additionalProperties": false, "minProperties": 1, "maxProperties": 2})");
  EXPECT_FALSE(counted.Takes("{}"));
  EXPECT_TRUE(counted.Takes(R"({"b":1})"));
  EXPECT_TRUE(counted.Takes(R"({"a":1,"c":[]})"));
  EXPECT_FALSE(counted.Takes(R"({"a":1,"b":2,"c":3})"));
}

TEST(JsonSchemaTest, Arrays) {
  const Schema list(
      R"({"type": "array", "items": {"enum": [1, "x"]}, "minItems": 1, "maxItems": 3})");
  EXPECT_TRUE(list.Takes(R"([1, "x",1])"));
  EXPECT_FALSE(list.Takes("[]"));
  EXPECT_FALSE(list.Takes("[1,1,1,1]"));
  const Schema tuple(R"({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}],
                         "items": {"type": "boolean"}, "minItems": 2})");
  EXPECT_FALSE(tuple.Takes("[1]"));
  EXPECT_TRUE(tuple.Takes("[1,null]"));
  EXPECT_TRUE(tuple.Takes("[1,null,true,false]"));
  EXPECT_FALSE(tuple.Takes("[1,null,1]"));
}

TEST(JsonSchemaTest, ReferencesAndAlternatives) {
  const Schema tree(R"({"$defs": {"node": {"type": "object", "required": ["v"],
      "additionalProperties": false, "properties": {"v": {"type": "integer"},
      "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}}}}, "$ref": "#/$defs/node"})");
  EXPECT_TRUE(tree.Takes(R"({"v":1,"next":{"v":2,"next":null}})"));
  EXPECT_FALSE(tree.Takes(R"({"v":1,"next":{"next":null}})"));
  const Schema merged(R"({"allOf": [{"type": "object", "properties": {"a": {"minimum": 3}}},
      {"properties": {"a": {"type": "integer", "maximum": 5}}, "required": ["a"]}]})");
  EXPECT_TRUE(merged.Takes(R"({"a":4})"));
  EXPECT_FALSE(merged.Takes(R"({"a":6})"));
  EXPECT_FALSE(merged.Takes("{}"));
  const Schema bound(R"({"allOf": [{"type": "object", "additionalProperties": {"maximum": 5}},
      {"properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]}]})");
  EXPECT_TRUE(bound.Takes(R"({"a":4})"));
  EXPECT_FALSE(bound.Takes(R"({"a":6})"));
  const Schema either(R"({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}},
      "anyOf": [{"required": ["a"]}, {"required": ["b"]}]})");
  EXPECT_TRUE(either.Takes(R"({"a":1})"));
  EXPECT_TRUE(either.Takes(R"({"a":1,"b":2})"));
  EXPECT_FALSE(either.Takes("{}"));
  const Schema one(R"({"oneOf": [{"type": "string"}, {"type": "integer"}]})");
  EXPECT_TRUE(one.Takes("7"));
}

TEST(JsonSchemaTest, RefusalsNameTheKeywordAndItsPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"not": {}})", "schema.not"},
      {R"({"type": "object", "properties": {"a": {"if": true}}})", "schema.properties.a.if"},
      {R"({"type": "array", "items": {"contains": {}}})", "schema.items.contains"},
      {R"({"type": "array", "uniqueItems": true})", "schema.uniqueItems"},
      {R"-({"type": "string", "pattern": "(?=a)"})-", "schema.pattern"},
      {R"({"type": "string", "format": "iri"})", "schema.format"},
      {R"({"type": "strin"})", "schema.type"},
      {R"({"type": "string", "maxLength": -1})", "schema.maxLength"},
      {R"({"type": "number", "multipleOf": 0.1})", "schema.multipleOf"},
      {R"({"$ref": "http://x/y"})", "schema.$ref"},
      {R"({"$ref": "#/$defs/none"})", "schema.$ref"},
      {R"({"anyOf": [{"type": "string"}, {"patternProperties": {}}]})",
       "schema.anyOf[1].patternProperties"},
      {R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})", "schema.oneOf"},
      {R"({"maxLenght": 3})", "schema.maxLenght"},
      {R"({"allOf": [{"prefixItems": [{"type": "null"}]}, {"items": {"type": "string"}}]})",
       "schema.allOf[1].items"},
  };
  for (const auto& [text, param] : cases) {
    const Schema schema(text);
    EXPECT_EQ(schema.param(), param) << text;
    EXPECT_NE(schema.message().find(param), std::string::npos) << schema.message();
  }
}

TEST(JsonSchemaTest, HostileSchemasAreRefused) {
  EXPECT_TRUE(Schema(R"({"$ref": "#"})").refused());
  EXPECT_TRUE(Schema(R"({"allOf": [{"$ref": "#"}]})").refused());
  EXPECT_TRUE(Schema(R"({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]})").refused());
  EXPECT_TRUE(Schema(R"({"type": "object", "properties": {"a": {"$ref": "#"}},
                         "required": ["a"]})")
                  .refused());
  EXPECT_TRUE(Schema("false").refused());
  EXPECT_TRUE(Schema(R"({"type": "array", "minItems": 1000000})").refused());
  Json twice = Json::object();
  for (int i = 0; i < 60; ++i) {
    const Json next = {{"$ref", "#/$defs/d" + std::to_string(i + 1)}};
    twice["d" + std::to_string(i)] = {{"allOf", {next, next}}};
  }
  twice["d60"] = {{"type", "string"}};
  EXPECT_TRUE(Schema(Json{{"$defs", twice}, {"$ref", "#/$defs/d0"}}.dump()).refused());
}

}  // namespace
}  // namespace quire
