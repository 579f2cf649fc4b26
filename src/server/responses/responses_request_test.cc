#include "server/responses/responses_request.h"

#include <gtest/gtest.h>

#include <span>

namespace quire {
namespace {

std::string Body(const std::string& input, const std::string& more = "") {
  return R"({"input": )" + input + (more.empty() ? "" : ", ") + more + "}";
}

Json Messages(const std::string& body) {
  const auto request = ParseResponsesRequest(body);
  return request ? request->chat.variables["messages"] : Json(request.error().message);
}

TEST(ResponsesRequest, ReadsEveryField) {
  const auto request = ParseResponsesRequest(
      Body(R"("Hi")",
           R"("model": "m", "instructions": "Be kind.", "max_output_tokens": 9, "stream": true,
      "temperature": 0.5, "top_p": 0.5, "store": false, "metadata": {"a": "b"}, "user": "u",
      "include": ["reasoning.encrypted_content"], "truncation": "auto", "fancy": 1,
      "text": {"format": {"type": "text"}}, "parallel_tool_calls": true, "seed": 3)"));
  ASSERT_TRUE(request) << request.error().message;
  const GenerationFields& fields = request->chat.fields;
  EXPECT_EQ(fields.model, "m");
  EXPECT_EQ(fields.max_tokens, 9u);
  EXPECT_TRUE(fields.stream && fields.has_seed);
  EXPECT_EQ(fields.ignored, std::vector<std::string>{"fancy"});
  EXPECT_EQ(request->chat.variables["messages"].dump(),
            R"([{"role":"system","content":"Be kind."},{"role":"user","content":"Hi"}])");
  EXPECT_EQ(request->echo["instructions"], "Be kind.");
  EXPECT_EQ(request->echo["metadata"]["a"], "b");
  EXPECT_EQ(request->echo["store"], false);
}

TEST(ResponsesRequest, TurnsItemsIntoMessages) {
  const Json messages = Messages(Body(R"([
      {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
      {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text",
       "text": "h"}]},
      {"type": "reasoning", "id": "q", "summary": [{"type": "summary_text", "text": "m"}]},
      {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "So."}]},
      {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{\"at\": \"Rome\"}"},
      {"type": "function_call_output", "call_id": "c1", "output": "Sunny"},
      {"role": "developer", "content": "Go on."}])"));
  ASSERT_EQ(messages.size(), 4u) << messages.dump();
  EXPECT_EQ(messages[0]["content"], "Weather?");
  EXPECT_EQ(messages[1]["content"], "So.");
  EXPECT_EQ(messages[1]["reasoning_content"], "hm");
  EXPECT_EQ(messages[1]["tool_calls"][0]["function"]["arguments"]["at"], "Rome");
  EXPECT_EQ(messages[2]["role"], "tool");
  EXPECT_EQ(messages[2]["content"], "Sunny");
  EXPECT_EQ(messages[3]["role"], "system");
}

TEST(ResponsesRequest, TranslatesTools) {
  const auto request = ParseResponsesRequest(Body(
      R"("Hi")", R"("tools": [{"type": "function", "name": "f", "description": "d", "strict": true,
      "parameters": {"type": "object"}}], "tool_choice": {"type": "function", "name": "f"})"));
  ASSERT_TRUE(request) << request.error().message;
  ASSERT_EQ(request->chat.tools.tools.size(), 1u);
  EXPECT_EQ(request->chat.tools.choice, ToolUse::Choice::kRequired);
  EXPECT_EQ(request->chat.variables["tools"][0]["function"]["name"], "f");
  EXPECT_EQ(request->echo["tools"][0]["name"], "f");
}

TEST(ResponsesRequest, LeavesOutCallsThatWereCutOff) {
  const Json messages = Messages(Body(R"([{"role": "user", "content": "Weather?"},
      {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{\"at\": ",
       "status": "incomplete"},
      {"type": "message", "role": "assistant", "content": "look at "}])"));
  ASSERT_EQ(messages.size(), 2u) << messages.dump();
  EXPECT_EQ(messages[1].dump(), R"({"role":"assistant","content":"look at "})");
}

struct BadCase {
  std::string body;
  std::string param;
};

TEST(ResponsesRequest, RefusesNamingTheField) {
  const std::string hi = R"("Hi")";
  const BadCase cases[] = {
      {"{}", "input"},
      {Body("5"), "input"},
      {Body("[]"), "input"},
      {Body("[5]"), "input[0]"},
      {Body(R"([{"role": "user"}])"), "input[0].content"},
      {Body(R"([{"content": "x"}])"), "input[0].role"},
      {Body(R"([{"role": "king", "content": "x"}])"), "input[0].role"},
      {Body(R"([{"role": "tool", "content": "x"}])"), "input[0].role"},
      {Body(R"([{"role": "user", "content": [{"type": "input_image"}]}])"),
       "input[0].content[0].type"},
      {Body(R"([{"type": "item_reference", "id": "x"}])"), "input[0].type"},
      {Body(R"([{"type": "function_call", "name": "f", "arguments": "{}"}])"), "input[0].call_id"},
      {Body(R"([{"type": "function_call_output", "call_id": "c", "output": "x"}])"),
       "input[0].call_id"},
      {Body(R"([{"role": "assistant", "content": "x"},
          {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
          {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{"}])"),
       "input[2].arguments"},
      {Body(R"([{"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
          {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}])"),
       "input[1].call_id"},
      {Body(hi, R"("text": {"format": {"type": "json_schema", "name": "x"}})"),
       "text.format.schema"},
      {Body(hi, R"("text": {"format": {"type": "xml"}})"), "text.format.type"},
      {Body(hi, R"("instructions": 5)"), "instructions"},
      {Body(hi, R"("previous_response_id": "resp_1")"), "previous_response_id"},
      {Body(hi, R"("background": true)"), "background"},
      {Body(hi, R"("max_output_tokens": "x")"), "max_output_tokens"},
      {Body(hi, R"("max_output_tokens": 0)"), "max_output_tokens"},
      {Body(hi, R"("max_tokens": 5)"), "max_tokens"},
      {Body(hi, R"("temperature": 9)"), "temperature"},
      {Body(hi, R"("tools": [{"type": "web_search"}])"), "tools[0].type"},
      {Body(hi, R"("tools": [{"type": "function"}])"), "tools[0].name"},
  };
  for (const BadCase& bad : cases) {
    const auto request = ParseResponsesRequest(bad.body);
    ASSERT_FALSE(request) << bad.body;
    EXPECT_EQ(request.error().param, bad.param) << bad.body << "\n" << request.error().message;
  }
}

}  // namespace
}  // namespace quire
