#include "text/jinja/template.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace quire::jinja {
namespace {

using Json = nlohmann::ordered_json;

constexpr Limits kLimits{2'000'000, 1200, size_t{16} << 20, size_t{512} << 20};
// The time in the field `now` of the golden files.
constexpr std::chrono::local_seconds kNow{
    std::chrono::local_days{std::chrono::year{2026} / 1 / 15} + std::chrono::hours{9} +
    std::chrono::minutes{30}};

Result<std::string> Render(const std::string& source, const Json& input = Json::object(),
                           const Limits& limits = kLimits) {
  QUIRE_TRY(auto parsed, Template::Parse(source));
  return parsed->Render(input, limits, kNow);
}

std::string Text(const std::string& source, const Json& input = Json::object()) {
  const Result<std::string> result = Render(source, input);
  return result ? *result : "ERROR " + result.error().message;
}

Json Load(const std::filesystem::path& path) {
  std::ifstream file(path);
  return Json::parse(file);
}

void ExpectCase(const std::string& source, const Json& input, const Json& expected) {
  const Result<std::string> result = Render(source, input);
  SCOPED_TRACE(source);
  if (expected.contains("error")) {
    EXPECT_FALSE(result) << "should fail with " << expected["error"] << " but gave " << *result;
  } else if (!result) {
    ADD_FAILURE() << result.error().message;
  } else {
    EXPECT_EQ(*result, expected["rendered"].get<std::string>());
  }
}

const std::filesystem::path kCommitted = QUIRE_SOURCE_DIR "/tests/golden/chat";
const std::filesystem::path kFull = QUIRE_SOURCE_DIR "/../shared/golden/chat";

TEST(Template, GoldenTemplates) {
  const Json data = Load(kCommitted / "templates.json");
  for (const Json& entry : data["templates"]) {
    for (const Json& one : entry["cases"]) ExpectCase(entry["template"], one["inputs"], one);
  }
}

// [template, the text that jinja2 3.1.6 gives or null where it fails].
TEST(Template, AgreesWithJinja2) {
  const Json data = Load(kCommitted / "jinja_cases.json");
  ASSERT_GT(data["cases"].size(), 400u);
  for (const Json& one : data["cases"]) {
    Json expected = Json::object();
    expected[one[1].is_null() ? "error" : "rendered"] = one[1];
    ExpectCase(one[0], data["inputs"], expected);
  }
}

TEST(Template, GoldenModels) {
  if (!std::filesystem::exists(kFull)) GTEST_SKIP() << "the full golden set is not here: " << kFull;
  for (const auto& file : std::filesystem::directory_iterator(kFull)) {
    const Json data = Load(file.path());
    if (!data.contains("chat_template")) continue;
    for (const Json& one : data["cases"]) {
      Json input = Json::object();
      for (const char* name : {"messages", "tools", "add_generation_prompt"}) {
        if (one.contains(name)) input[name] = one[name];
      }
      input["bos_token"] = data["bos_token"];
      input["eos_token"] = data["eos_token"];
      ExpectCase(data["chat_template"], input, one);
    }
  }
}

TEST(Template, ErrorsNameTheLine) {
  EXPECT_EQ(Text("a\nb\n{{ raise_exception('no ' ~ 'tools') }}"),
            "ERROR chat template line 3: no tools");
  EXPECT_EQ(Text("\n{% if x %}"),
            "ERROR chat template line 2: Unexpected end of template. Jinja "
            "was looking for the following tags: 'elif' or 'else' or 'endif'.");
  EXPECT_EQ(Text("{% macro f() %}\n\n{{ x.y.z }}{% endmacro %}\n\n{{ f() }}", {{"x", {{"a", 1}}}}),
            "ERROR chat template line 3: 'dict object' has no attribute 'y'");
  EXPECT_EQ(Text("\n{{ nowhere.x }}"), "ERROR chat template line 2: 'nowhere' is undefined");
  EXPECT_EQ(Text("{{ 1 }}\n{{ f() }}\n"), "ERROR chat template line 2: 'f' is undefined");
}

TEST(Template, InputMustBeAnObject) { EXPECT_FALSE(Render("x", Json::array())); }

TEST(Template, BigNumbersStayWhole) {
  EXPECT_EQ(Text("{{ n }} {{ n + 1 }}", {{"n", 18446744073709551615ull}}),
            "18446744073709551615 18446744073709551616");
  EXPECT_EQ(Text("{{ 2 ** 100 }}"), "1267650600228229401496703205376");
  EXPECT_FALSE(Render("{{ 10 ** 60 }}"));
}

TEST(Template, EndlessWorkEnds) {
  const char* const hostile[] = {
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
      "{{ 'a' * 10 ** 12 }}",
      "{{ [0] * 10 ** 12 }}",
      "{% set n = namespace(s='aaaa') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}"
      "{% endfor %}",
      "{% for i in range(100000) %}{{ 'x' * 1000 }}{% endfor %}",
      "{{ '%1000000000d' % 1 }}",
      "{{ '{:1000000000}'.format(1) }}",
      "{{ 'x'|center(10 ** 10) }}",
      "{{ 'x'|indent(10 ** 10) }}",
      "{{ range(10 ** 9) }}",
      "{{ ('x' * 1000000)|replace('', 'y' * 100000) }}",
      "{% set n = namespace(v=[]) %}{% for i in range(5000) %}{% set n.v = [n.v] %}{% endfor %}"
      "{{ n.v }}",
      "{% set n = namespace(v=[1]) %}{% for i in range(5000) %}"
      "{% set n.v = n.v | map('string') %}{% endfor %}{{ n.v | list }}",
  };
  for (const char* source : hostile) {
    EXPECT_FALSE(Render(source)) << source;
  }
}

TEST(Template, DeepNestingIsAnError) {
  const size_t n = 100000;
  const std::string open(n, '(');
  EXPECT_FALSE(Render("{{ " + open + "1" + std::string(n, ')') + " }}"));
  EXPECT_FALSE(Render("{{ " + std::string(n, '[') + std::string(n, ']') + " }}"));
  EXPECT_FALSE(Render("{{ " + std::string(n, '-') + "1 }}"));
  std::string nots = "{{ ";
  std::string sum = "{{ 1";
  std::string chain = "{{ x";
  std::string ifs;
  for (size_t i = 0; i < n; ++i) {
    nots += "not ";
    sum += "+1";
    chain += ".x";
    ifs += "{% if 1 %}";
  }
  EXPECT_FALSE(Render(nots + "1 }}"));
  EXPECT_FALSE(Render(sum + " }}"));
  EXPECT_FALSE(Render(chain + " }}"));
  EXPECT_FALSE(Render(ifs));
  Json deep = 1;
  for (int i = 0; i < 2000; ++i) deep = Json::array({deep});
  EXPECT_FALSE(Render("{{ x }}", {{"x", deep}}));
}

TEST(Template, WhatHoldsItselfIsTakenApart) {
  EXPECT_EQ(Text("{% set n = namespace() %}{% set n.me = n %}{{ n }}"),
            "<Namespace {'me': <Namespace {...}>}>");
  EXPECT_EQ(Text("{% set n = namespace() %}{% macro f() %}{{ n.x }}{% endmacro %}"
                 "{% set n.f = f %}{% set n.x = 3 %}{{ n.f() }}"),
            "3");
  // A chain of namespaces as long as the steps allow must not be destroyed recursively.
  EXPECT_EQ(Text("{% set n = namespace(c=none) %}{% for i in range(800) %}"
                 "{% set n.c = namespace(p=n.c) %}{% endfor %}ok"),
            "ok");
}

TEST(Template, RendersOnManyThreadsAtOnce) {
  const auto parsed = Template::Parse(
      "{% for m in ms %}{{ loop.index }}{{ m|upper }}{% set x = m %}{{ x }}{% endfor %}");
  ASSERT_TRUE(parsed);
  std::vector<std::string> texts(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < texts.size(); ++t) {
    threads.emplace_back([&, t] {
      const Json input = {{"ms", {std::string(1, static_cast<char>('a' + t)), "z"}}};
      for (int i = 0; i < 200; ++i) texts[t] = *(*parsed)->Render(input, kLimits, kNow);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(texts[0], "1Aa2Zz");
  EXPECT_EQ(texts[3], "1Dd2Zz");
}

}  // namespace
}  // namespace quire::jinja
