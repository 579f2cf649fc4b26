#include "server/openai/structured_fields.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/grammar_vocabulary.h"

namespace quire {
namespace {

Result<std::optional<StructuredForm>> Read(std::string_view text) {
  const Json body = Json::parse(text);
  auto reader = FieldReader::Of(body);
  return ReadStructuredForm(*reader);
}

// What the form allows as a whole answer.
bool Takes(std::string_view fields, std::string_view answer) {
  static const test::TestVocabulary vocabulary;
  static GrammarCache cache(vocabulary.trie());
  const auto form = Read(fields);
  EXPECT_TRUE(form && *form) << fields;
  if (!form || !*form) return false;
  const auto grammar = CompileForm(cache, **form);
  EXPECT_TRUE(grammar) << grammar.error().message;
  if (!grammar) return false;
  GrammarState state(*grammar);
  for (const char c : answer) {
    if (!state.Advance(vocabulary.TokenOf(std::string_view(&c, 1)))) return false;
  }
  return state.may_end();
}

TEST(StructuredFieldsTest, KnowsEveryNameOfTheSameThing) {
  const char* const schemas[] = {
      R"({"response_format": {"type": "json_schema", "json_schema":
          {"name": "n", "strict": true, "schema": {"type": "integer"}}}})",
      R"({"response_format": {"type": "json_object", "schema": {"type": "integer"}}})",
      R"({"structured": {"json": {"type": "integer"}}})",
      R"({"structured_outputs": {"json": "{\"type\": \"integer\"}"}})",
      R"({"guided_json": {"type": "integer"}})",
      R"({"json_schema": {"type": "integer"}})"};
  for (const char* fields : schemas) {
    EXPECT_TRUE(Takes(fields, "12")) << fields;
    EXPECT_FALSE(Takes(fields, "true")) << fields;
  }
  for (const char* fields :
       {R"({"structured": {"regex": "a+"}})", R"({"guided_regex": "a+"})",
        R"({"structured": {"grammar": "root ::= \"a\"+"}})",
        R"({"guided_grammar": "root ::= \"a\"+"})", R"({"grammar": "root ::= \"a\"+"})",
        R"({"structured": {"choice": ["b", "aaa"]}})", R"({"guided_choice": ["b", "aaa"]})"}) {
    EXPECT_TRUE(Takes(fields, "aaa")) << fields;
    EXPECT_FALSE(Takes(fields, "aab")) << fields;
  }
  for (const char* fields : {R"({"response_format": {"type": "json_object"}})",
                             R"({"structured": {"json_object": true}})"}) {
    EXPECT_TRUE(Takes(fields, R"({"a": [1, {"b": null}]})")) << fields;
    EXPECT_FALSE(Takes(fields, "[1]")) << fields;
  }
}

TEST(StructuredFieldsTest, TextIsNoForm) {
  for (const char* fields : {"{}", R"({"response_format": {"type": "text"}})",
                             R"({"response_format": null})", R"({"guided_regex": ""})"}) {
    const auto form = Read(fields);
    ASSERT_TRUE(form) << fields;
    EXPECT_FALSE(*form) << fields;
  }
}

TEST(StructuredFieldsTest, RefusalsNameTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"response_format": {}})", "response_format.type"},
      {R"({"response_format": {"type": "json_schema"}})", "response_format.json_schema"},
      {R"({"response_format": {"type": "json_schema", "json_schema": {}}})",
       "response_format.json_schema.schema"},
      {R"({"response_format": {"type": "json_schema", "json_schema": {"schema": 5}}})",
       "response_format.json_schema.schema"},
      {R"({"structured": {}})", "structured"},
      {R"({"structured": {"regex": "a", "choice": ["b"]}})", "structured"},
      {R"({"structured": {"regex": 5}})", "structured.regex"},
      {R"({"structured": {"choice": []}})", "structured.choice"},
      {R"({"structured": {"choice": [1]}})", "structured.choice"},
      {R"({"structured": {"structural_tag": {}}})", "structured.structural_tag"},
      {R"({"guided_json": "{"})", "guided_json"},
      {R"({"guided_regex": "a", "response_format": {"type": "json_object"}})", "guided_regex"},
  };
  for (const auto& [fields, param] : cases) {
    const auto form = Read(fields);
    ASSERT_FALSE(form) << fields;
    EXPECT_EQ(form.error().param, param) << form.error().message;
  }
}

TEST(StructuredFieldsTest, FormsThatCannotBeNameTheirPlace) {
  const test::TestVocabulary vocabulary;
  GrammarCache cache(vocabulary.trie());
  const std::pair<const char*, const char*> cases[] = {
      {R"-({"structured": {"regex": "(?=a)"}})-", "structured.regex"},
      {R"({"guided_grammar": "root ::= root"})", "guided_grammar"},
      {R"({"response_format": {"type": "json_schema", "json_schema": {"schema":
          {"type": "object", "properties": {"a": {"not": {}}}}}}})",
       "response_format.json_schema.schema.properties.a.not"},
  };
  for (const auto& [fields, param] : cases) {
    const auto form = Read(fields);
    ASSERT_TRUE(form && *form) << fields;
    const auto grammar = CompileForm(cache, **form);
    ASSERT_FALSE(grammar) << fields;
    EXPECT_EQ(grammar.error().param, param) << grammar.error().message;
    EXPECT_NE(grammar.error().message.find(param), std::string::npos) << grammar.error().message;
  }
}

}  // namespace
}  // namespace quire
