#include "server/openai/tools/tool_use.h"

#include <gtest/gtest.h>

#include <string>

#include "server/openai/chat_request.h"

namespace quire {
namespace {

constexpr const char* kTool = R"({"type": "function", "function": {"name": "f"}})";

Result<ChatRequest> Ask(const std::string& more) {
  return ParseChatRequest(R"({"messages": [{"role": "user", "content": "Hi"}], )" + more + "}");
}

Result<ChatRequest> AskTools(const std::string& tools, const std::string& more = {}) {
  return Ask("\"tools\": [" + tools + "]" + (more.empty() ? "" : ", " + more));
}

std::string Function(const std::string& inside) {
  return "{\"type\": \"function\", \"function\": {" + inside + "}}";
}

std::string ParamOf(const Result<ChatRequest>& request) {
  return request ? "accepted" : request.error().param;
}

TEST(ToolUse, RefusesNamingTheField) {
  const std::string f = kTool;
  const std::string named = "\"name\": \"f\", ";
  const struct {
    Result<ChatRequest> request;
    const char* param;
  } cases[] = {
      {Ask(R"("tools": {})"), "tools"},
      {AskTools("5"), "tools[0]"},
      {AskTools(R"({"function": {"name": "f"}})"), "tools[0].type"},
      {AskTools(R"({"type": "web_search"})"), "tools[0].type"},
      {AskTools(R"({"type": "function"})"), "tools[0].function"},
      {AskTools(R"({"type": "function", "function": []})"), "tools[0].function"},
      {AskTools(f + "," + Function("")), "tools[1].function.name"},
      {AskTools(Function(R"("name": "")")), "tools[0].function.name"},
      {AskTools(Function(R"("name": 5)")), "tools[0].function.name"},
      {AskTools(Function(R"("name": "get weather")")), "tools[0].function.name"},
      {AskTools(Function("\"name\": \"" + std::string(65, 'x') + "\"")), "tools[0].function.name"},
      {AskTools(f + "," + f), "tools[1].function.name"},
      {AskTools(Function(named + R"("description": 1)")), "tools[0].function.description"},
      {AskTools(Function(named + R"("parameters": [])")), "tools[0].function.parameters"},
      {AskTools(Function(named + R"("parameters": "x")")), "tools[0].function.parameters"},
      {AskTools(Function(named + R"("parameters": {"type": "string"})")),
       "tools[0].function.parameters.type"},
      {AskTools(Function(named + R"("strict": "yes")")), "tools[0].function.strict"},
      {AskTools(f, R"("tool_choice": "always")"), "tool_choice"},
      {AskTools(f, R"("tool_choice": 5)"), "tool_choice"},
      {AskTools(f, R"("tool_choice": {"type": "function"})"), "tool_choice.function"},
      {AskTools(f, R"("tool_choice": {"type": "x", "function": {"name": "f"}})"),
       "tool_choice.type"},
      {AskTools(f, R"("tool_choice": {"type": "function", "function": {"name": "g"}})"),
       "tool_choice.function.name"},
      {AskTools(f, R"("tool_choice": {"type": "function", "function": {}})"),
       "tool_choice.function.name"},
      {Ask(R"("tool_choice": "required")"), "tool_choice"},
      {AskTools("", R"("tool_choice": "required")"), "tool_choice"},
      {AskTools(f, R"("parallel_tool_calls": "no")"), "parallel_tool_calls"},
      {AskTools(f, R"("functions": [{"name": "f"}])"), "functions"},
  };
  for (const auto& [request, param] : cases) EXPECT_EQ(ParamOf(request), param);
  std::string many;
  for (size_t i = 0; i <= kMaxTools; ++i) {
    many += (i > 0 ? "," : "") + Function("\"name\": \"f" + std::to_string(i) + "\"");
  }
  EXPECT_EQ(ParamOf(AskTools(many)), "tools");
}

TEST(ToolUse, ReadsEveryChoice) {
  const std::string both =
      std::string(kTool) + "," + Function(R"("name": "g", "strict": true, "description": "d",
                                       "parameters": {"type": "object", "properties": {}})");
  const auto automatic = AskTools(both);
  ASSERT_TRUE(automatic) << automatic.error().message;
  EXPECT_EQ(automatic->tools.choice, ToolUse::Choice::kAuto);
  EXPECT_EQ(automatic->tools.tools.size(), 2u);
  EXPECT_TRUE(automatic->tools.tools[0].parameters.is_null());
  EXPECT_TRUE(automatic->tools.tools[1].strict);
  EXPECT_TRUE(automatic->tools.parallel);
  EXPECT_EQ(automatic->variables["tools"].size(), 2u);

  const auto required =
      AskTools(both, R"("tool_choice": "required", "parallel_tool_calls": false)");
  EXPECT_EQ(required->tools.choice, ToolUse::Choice::kRequired);
  EXPECT_FALSE(required->tools.parallel);

  const auto named =
      AskTools(both, R"("tool_choice": {"type": "function", "function": {"name": "g"}})");
  EXPECT_EQ(named->tools.choice, ToolUse::Choice::kRequired);
  ASSERT_EQ(named->tools.tools.size(), 1u);
  EXPECT_EQ(named->tools.tools[0].name, "g");
  EXPECT_EQ(named->variables["tools"].size(), 2u);  // the model sees all

  const auto none = AskTools(both, R"("tool_choice": "none")");
  EXPECT_TRUE(none->tools.tools.empty());
  EXPECT_FALSE(none->variables.contains("tools"));
  EXPECT_FALSE(AskTools("")->variables.contains("tools"));
  EXPECT_TRUE(Ask(R"("tool_choice": "auto", "parallel_tool_calls": true)"));
}

std::string Conversation(const std::string& calls, const std::string& result) {
  return R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null,
         "tool_calls": )" +
         calls + "}" + (result.empty() ? "" : ", " + result) + "]}";
}

constexpr const char* kCall =
    R"([{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}])";

TEST(Messages, RefuseCallsAndResultsNamingTheField) {
  const auto call = [](const std::string& arguments) {
    return R"([{"id": "c1", "type": "function", "function": {"name": "f", "arguments": )" +
           arguments + "}}]";
  };
  const struct {
    std::string body;
    const char* param;
  } cases[] = {
      {Conversation("5", ""), "messages[1].tool_calls"},
      {Conversation("[5]", ""), "messages[1].tool_calls[0]"},
      {Conversation(R"([{"id": "c1"}])", ""), "messages[1].tool_calls[0].function"},
      {Conversation(R"([{"id": 7, "function": {"name": "f"}}])", ""),
       "messages[1].tool_calls[0].id"},
      {Conversation(R"([{"type": "x", "function": {"name": "f"}}])", ""),
       "messages[1].tool_calls[0].type"},
      {Conversation(R"([{"id": "c1", "function": {"arguments": "{}"}}])", ""),
       "messages[1].tool_calls[0].function.name"},
      {Conversation(call("\"{x\""), ""), "messages[1].tool_calls[0].function.arguments"},
      {Conversation(call("\"nothing\""), ""), "messages[1].tool_calls[0].function.arguments"},
      {Conversation(call("\"[1]\""), ""), "messages[1].tool_calls[0].function.arguments"},
      {Conversation(call("5"), ""), "messages[1].tool_calls[0].function.arguments"},
      {Conversation(R"([{"id": "a", "function": {"name": "f"}},
                        {"id": "a", "function": {"name": "g"}}])",
                    ""),
       "messages[1].tool_calls[1].id"},
      {Conversation(kCall, R"({"role": "tool", "content": "5"})"), "messages[2].tool_call_id"},
      {Conversation(kCall, R"({"role": "tool", "tool_call_id": "c2", "content": "5"})"),
       "messages[2].tool_call_id"},
      {Conversation(kCall, R"({"role": "tool", "tool_call_id": 1, "content": "5"})"),
       "messages[2].tool_call_id"},
      {Conversation(kCall, R"({"role": "tool", "tool_call_id": "c1"})"), "messages[2].content"},
      {R"({"messages": [{"role": "tool", "tool_call_id": "c1", "content": "5"}]})",
       "messages[0].tool_call_id"},
      {R"({"messages": [{"role": "user", "content": "", "tool_calls": [{}]}]})",
       "messages[0].tool_calls"},
  };
  for (const auto& [body, param] : cases) {
    EXPECT_EQ(ParamOf(ParseChatRequest(body)), param) << body;
  }
}

TEST(Messages, NormaliseCallsAndResults) {
  const auto request = ParseChatRequest(Conversation(
      kCall, R"({"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "5"}]},
               {"role": "assistant", "tool_calls": [{"id": "c2", "type": "function",
                "function": {"name": "g", "arguments": ""}}]},
               {"role": "tool", "tool_call_id": "c2", "content": ""})"));
  ASSERT_TRUE(request) << request.error().message;
  const Json& messages = request->variables["messages"];
  EXPECT_EQ(messages[1]["content"], "");
  EXPECT_EQ(messages[1]["tool_calls"][0]["function"]["arguments"]["x"], 1);
  EXPECT_EQ(messages[2]["content"], "5");
  EXPECT_EQ(messages[2]["name"], "f");
  EXPECT_TRUE(messages[3]["tool_calls"][0]["function"]["arguments"].is_object());
}

}  // namespace
}  // namespace quire
