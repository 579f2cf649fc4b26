#include "server/openai/tools/tool_conversation.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "text/chat_template.h"

namespace quire {
namespace {

RenderTemplate Renderer(const std::string& source) {
  auto parsed = ChatTemplate::Parse(source);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return [parsed](Json variables) {
    variables["add_generation_prompt"] = true;
    return parsed->Render(variables);
  };
}

// Each is what families of templates do with a call, in few lines.
constexpr const char* kPlain = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}";
constexpr const char* kObject =
    "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% for m in messages %}<{{ m.role }}>"
    "{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }}"
    "{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}";
constexpr const char* kText =
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{% if m.role == "
    "'assistant' and m.content is none %}{% for c in m.tool_calls %}{{ c.function.name + '\\n' + "
    "c.function.arguments }}{% endfor %}{% else %}<{{ m.role }}>{{ m.content }}{% endif %}"
    "{% endfor %}";
constexpr const char* kShortIds =
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{% if c.id | length != 9 %}{{ raise_exception('length 9') }}"
    "{% endif %}{{ c.id }}{{ c.function | tojson }}{% endfor %}{% if m.role == 'tool' %}"
    "[{{ m.tool_call_id }}]{% endif %}{% endfor %}";
constexpr const char* kStrictRoles =
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}<{{ m.role }}>{{ m.content }}"
    "{% endfor %}";

TEST(TemplateTraits, AreFoundByTrying) {
  const TemplateTraits plain = TemplateTraits::Find(Renderer(kPlain));
  EXPECT_TRUE(plain.shows_system);
  EXPECT_FALSE(plain.shows_tools || plain.shows_calls);
  const TemplateTraits object = TemplateTraits::Find(Renderer(kObject));
  EXPECT_TRUE(object.shows_tools && object.shows_calls);
  EXPECT_FALSE(object.text_arguments || object.null_content || object.short_ids);
  const TemplateTraits text = TemplateTraits::Find(Renderer(kText));
  EXPECT_TRUE(text.shows_calls && text.text_arguments && text.null_content);
  const TemplateTraits ids = TemplateTraits::Find(Renderer(kShortIds));
  EXPECT_TRUE(ids.shows_calls && ids.short_ids);
  const TemplateTraits strict = TemplateTraits::Find(Renderer(kStrictRoles));
  EXPECT_FALSE(strict.shows_system || strict.shows_calls);
}

Json Conversation() {
  const Json call = {{"id", "call_1"},
                     {"type", "function"},
                     {"function", {{"name", "f"}, {"arguments", {{"x", 1}}}}}};
  return {{"messages",
           {{{"role", "user"}, {"content", "Hi"}},
            {{"role", "assistant"}, {"content", ""}, {"tool_calls", Json::array({call})}},
            {{"role", "tool"}, {"tool_call_id", "call_1"}, {"name", "f"}, {"content", "22"}},
            {{"role", "user"}, {"content", "And?"}}}},
          {"tools", {{{"type", "function"}, {"function", {{"name", "f"}}}}}}};
}

std::string Adapted(const std::string& source) {
  const RenderTemplate render = Renderer(source);
  Json variables = Conversation();
  AdaptTools(TemplateTraits::Find(render), true, variables);
  const auto text = render(variables);
  return text ? *text : text.error().message;
}

TEST(ToolConversation, KeepsTheTemplatesOwnWay) {
  EXPECT_EQ(Adapted(kObject),
            "{\"type\": \"function\", \"function\": {\"name\": \"f\"}}<user>Hi<assistant>"
            "f{\"x\": 1}<tool>22<user>And?");
  const std::string text = Adapted(kText);
  EXPECT_NE(text.find("f\n{\"x\":1}"), std::string::npos) << text;
}

TEST(ToolConversation, ShortensIdsTheSameOnBothSides) {
  const std::string text = Adapted(kShortIds);
  const size_t end = text.find("]And?");
  ASSERT_NE(end, std::string::npos) << text;
  const std::string id = text.substr(end - 9, 9);
  EXPECT_NE(text.find(id + "{"), std::string::npos) << text;
}

TEST(ToolConversation, WritesCallsAsTextWhereTheTemplateKnowsNone) {
  const std::string text = Adapted(kPlain);
  EXPECT_TRUE(text.starts_with("<system>")) << text;
  EXPECT_NE(text.find("{\"type\":\"function\",\"function\":{\"name\":\"f\"}}\n</tools>"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("<user>Hi<assistant><tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\":1}}\n"
                      "</tool_call><user><tool_response>\n22\n</tool_response>\n\nAnd?"),
            std::string::npos)
      << text;
  const std::string strict = Adapted(kStrictRoles);
  EXPECT_TRUE(strict.starts_with("<user>You can call")) << strict;
  EXPECT_NE(strict.find("\n\nHi<assistant>"), std::string::npos) << strict;
}

}  // namespace
}  // namespace quire
