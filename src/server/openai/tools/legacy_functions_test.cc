#include "server/openai/tools/legacy_functions.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/openai/chat_request.h"

namespace quire {
namespace {

constexpr const char* kTalk = R"({"messages": [{"role": "user", "content": "Hi"},
  {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{\"x\": 1}"}},
  {"role": "function", "name": "f", "content": "sunny"}],
  "functions": [{"name": "f", "parameters": {"type": "object"}}, {"name": "g"}]})";

TEST(LegacyFunctions, AreTools) {
  const auto request = ParseChatRequest(kTalk);
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_TRUE(request->legacy_functions);
  EXPECT_TRUE(request->fields.ignored.empty());
  ASSERT_EQ(request->tools.tools.size(), 2u);
  EXPECT_EQ(request->tools.tools[1].name, "g");
  EXPECT_FALSE(request->tools.parallel) << "there is room for one call";
  EXPECT_EQ(request->tools.choice, ToolUse::Choice::kAuto);
  const Json& messages = request->variables["messages"];
  EXPECT_EQ(messages[1]["tool_calls"][0]["function"]["arguments"]["x"], 1);
  EXPECT_EQ(messages[2]["role"], "tool");
  EXPECT_EQ(messages[2]["tool_call_id"], messages[1]["tool_calls"][0]["id"]);
}

TEST(LegacyFunctions, AreChosenByName) {
  const auto choice = [](const char* wish) {
    Json body = Json::parse(kTalk);
    body["function_call"] = Json::parse(wish);
    return ParseChatRequest(body.dump());
  };
  EXPECT_EQ(choice(R"("none")")->tools.choice, ToolUse::Choice::kNone);
  EXPECT_EQ(choice(R"("auto")")->tools.choice, ToolUse::Choice::kAuto);
  const auto named = choice(R"({"name": "g"})");
  ASSERT_TRUE(named) << named.error().message;
  EXPECT_TRUE(named->tools.by_name);
  EXPECT_EQ(named->tools.tools[0].name, "g");
}

TEST(LegacyFunctions, InMessagesAloneAreRead) {
  Json body = Json::parse(kTalk);
  body.erase("functions");
  const auto request = ParseChatRequest(body.dump());
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_FALSE(request->legacy_functions) << "it cannot call any";
  EXPECT_EQ(request->tools.choice, ToolUse::Choice::kNone);
}

TEST(LegacyFunctions, RefusesInTheClientsWords) {
  const auto param = [](const char* patch) {
    Json body = Json::parse(kTalk);
    body.merge_patch(Json::parse(patch));
    const auto request = ParseChatRequest(body.dump());
    EXPECT_FALSE(request) << patch;
    return request ? std::string() : request.error().param;
  };
  EXPECT_EQ(param(R"({"functions": 5})"), "functions");
  EXPECT_EQ(param(R"({"functions": [5]})"), "functions[0]");
  EXPECT_EQ(param(R"({"functions": [{}]})"), "functions[0].name");
  EXPECT_EQ(param(R"({"functions": [{"name": "f"}, {"name": "f"}]})"), "functions[1].name");
  EXPECT_EQ(param(R"({"functions": [{"name": "f", "parameters": 1}]})"), "functions[0].parameters");
  EXPECT_EQ(param(R"({"tools": []})"), "functions");
  EXPECT_EQ(param(R"({"function_call": "required"})"), "function_call");
  EXPECT_EQ(param(R"({"function_call": {"name": "h"}})"), "function_call.name");
  EXPECT_EQ(param(R"({"function_call": {}})"), "function_call.name");
  EXPECT_EQ(param(R"({"function_call": 5})"), "function_call");
  EXPECT_EQ(param(R"({"messages": [{"role": "function", "name": "f", "content": "x"}]})"),
            "messages[0].name");
  EXPECT_EQ(param(R"({"messages": [{"role": "function", "content": "x"}]})"), "messages[0].name");
  EXPECT_EQ(param(R"({"messages": [{"role": "assistant", "function_call": {"arguments": "{}"}}]})"),
            "messages[0].function_call.name");
  EXPECT_EQ(param(R"({"messages": [{"role": "assistant", "function_call":
                    {"name": "f", "arguments": "{"}}]})"),
            "messages[0].function_call.arguments");
  EXPECT_EQ(param(R"({"messages": [
                {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "x"},
                {"role": "function", "name": "f", "content": "y"}]})"),
            "messages[2].name");
  EXPECT_EQ(param(R"({"messages": [{"role": "assistant", "function_call": 5}]})"),
            "messages[0].function_call");
}

}  // namespace
}  // namespace quire
