#include "server/anthropic/messages_request.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace quire {
namespace {

Result<MessagesRequest> Parse(const std::string& body) {
  return ParseMessagesRequest(body, MessagesPurpose::kAnswer);
}

// A body with these messages and more fields.
std::string Body(const std::string& messages, const std::string& more = "") {
  return R"({"max_tokens": 8, "messages": [)" + messages + "]" + (more.empty() ? "" : ", ") + more +
         "}";
}

constexpr const char* kHi = R"({"role": "user", "content": "Hi"})";
constexpr const char* kCall =
    R"({"role": "user", "content": "Weather?"}, {"role": "assistant", "content": [
    {"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "I look."},
    {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "Rome"}}]})";

std::string Messages(const std::string& body) {
  const auto request = Parse(body);
  return request ? request->chat.variables["messages"].dump() : request.error().message;
}

TEST(MessagesRequest, ReadsEveryField) {
  const auto request =
      Parse(Body(kHi, R"("model": "m", "system": [{"type": "text", "text": "Be kind.",
      "cache_control": {"type": "ephemeral", "ttl": "1h"}}, {"type": "text", "text": "Be brief."}],
      "temperature": 0.5, "top_p": 0.9, "top_k": 40, "stop_sequences": ["a", "b"], "stream": true,
      "metadata": {"user_id": "u"}, "thinking": {"type": "enabled", "budget_tokens": 1024},
      "service_tier": "auto", "seed": 3, "return_logit_hash": true, "fancy": 1)"));
  ASSERT_TRUE(request) << request.error().message;
  const GenerationFields& fields = request->chat.fields;
  EXPECT_EQ(fields.model, "m");
  EXPECT_EQ(fields.max_tokens, 8u);
  EXPECT_TRUE(fields.stream && fields.has_seed && fields.request.return_logit_hash);
  EXPECT_EQ(fields.request.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(fields.request.sampling.top_k, 40u);
  EXPECT_EQ(fields.request.sampling.temperature, 0.5f);
  EXPECT_EQ(fields.ignored, std::vector<std::string>{"fancy"});
  EXPECT_EQ(request->keep_seconds, 3600u);
  EXPECT_EQ(request->chat.variables["enable_thinking"], true);
  EXPECT_EQ(request->chat.variables["messages"][0]["content"], "Be kind.\nBe brief.");
}

TEST(MessagesRequest, TurnsBlocksIntoMessages) {
  EXPECT_EQ(Messages(Body(R"({"role": "user", "content": [{"type": "text", "text": "a"},
      {"type": "text", "text": "b"}]}, {"role": "user", "content": "c"})")),
            R"([{"role":"user","content":"a\nb\nc"}])");
  const Json messages = Json::parse(
      Messages(Body(std::string(kCall) + R"(, {"role": "user", "content": [{"type": "tool_result",
      "tool_use_id": "t1", "is_error": true, "content": [{"type": "text", "text": "no net"}]},
      {"type": "text", "text": "Well?"}]})")));
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[1]["reasoning_content"], "hm");
  EXPECT_EQ(messages[1]["content"], "I look.");
  EXPECT_EQ(messages[1]["tool_calls"][0]["function"]["arguments"]["at"], "Rome");
  EXPECT_EQ(messages[2]["role"], "tool");
  EXPECT_EQ(messages[2]["tool_call_id"], "t1");
  EXPECT_EQ(messages[2]["content"], "Error: no net");
  EXPECT_EQ(messages[3]["content"], "Well?");
}

TEST(MessagesRequest, TheLastWordsOfTheAssistantBeginTheAnswer) {
  const auto request =
      Parse(Body(std::string(kHi) + R"(, {"role": "assistant", "content": "My"})"));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->answer_begin, "My");
  EXPECT_EQ(request->chat.variables["messages"].size(), 1u);
}

TEST(MessagesRequest, TranslatesTools) {
  const std::string tools =
      R"("tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}])";
  const auto any = Parse(
      Body(kHi, tools + R"(, "tool_choice": {"type": "any", "disable_parallel_tool_use": true})"));
  ASSERT_TRUE(any) << any.error().message;
  ASSERT_EQ(any->chat.tools.tools.size(), 1u);
  EXPECT_EQ(any->chat.tools.choice, ToolUse::Choice::kRequired);
  EXPECT_FALSE(any->chat.tools.parallel);
  EXPECT_EQ(any->chat.variables["tools"][0]["function"]["parameters"]["type"], "object");
  const auto none = Parse(Body(kHi, tools + R"(, "tool_choice": {"type": "none"})"));
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_TRUE(none->chat.tools.tools.empty());
}

TEST(MessagesRequest, CountsWithoutMaxTokens) {
  const std::string body = std::string(R"({"messages": [)") + kHi + "]}";
  EXPECT_TRUE(ParseMessagesRequest(body, MessagesPurpose::kCount));
  EXPECT_EQ(Parse(body).error().param, "max_tokens");
}

// Body and the field its refusal names.
struct BadCase {
  std::string body;
  std::string param;
};

void ExpectRefused(std::span<const BadCase> cases) {
  for (const BadCase& bad : cases) {
    const auto request = Parse(bad.body);
    ASSERT_FALSE(request) << bad.body;
    EXPECT_EQ(request.error().param, bad.param) << bad.body << "\n" << request.error().message;
    EXPECT_FALSE(request.error().message.empty());
  }
}

std::string User(const std::string& blocks) {
  return Body(R"({"role": "user", "content": [)" + blocks + "]}");
}

TEST(MessagesRequest, RefusesNamingTheField) {
  const std::string tool = R"({"name": "f", "input_schema": {"type": "object"}})";
  const BadCase cases[] = {
      {"[]", ""},
      {"{}", "max_tokens"},
      {R"({"max_tokens": 8})", "messages"},
      {R"({"max_tokens": "8", "messages": [)" + std::string(kHi) + "]}", "max_tokens"},
      {R"({"max_tokens": 0, "messages": [)" + std::string(kHi) + "]}", "max_tokens"},
      {Body(""), "messages"},
      {Body(R"("Hi")"), "messages[0]"},
      {Body(R"({"content": "Hi"})"), "messages[0].role"},
      {Body(R"({"role": "king", "content": "Hi"})"), "messages[0].role"},
      {Body(R"({"role": "assistant", "content": "Hi"})"), "messages[0].role"},
      {Body(R"({"role": "user"})"), "messages[0].content"},
      {Body(R"({"role": "user", "content": 5})"), "messages[0].content"},
      {Body(R"({"role": "user", "content": ""})"), "messages[0].content"},
      {Body(R"({"role": "user", "content": []})"), "messages[0].content"},
      {User(R"({"type": "text", "text": ""})"), "messages[0].content[0]"},
      {User(R"({"type": "text"})"), "messages[0].content[0].text"},
      {User(R"({"type": "image", "source": {}})"), "messages[0].content[0].type"},
      {User(R"({"type": "document", "source": {}})"), "messages[0].content[0].type"},
      {User(R"({"type": "thinking", "thinking": "x"})"), "messages[0].content[0]"},
      {User(R"({"type": "tool_use", "id": "a", "name": "f", "input": {}})"),
       "messages[0].content[0]"},
      {User(R"({"type": "tool_result", "tool_use_id": "t", "content": "x"})"),
       "messages[0].content[0].tool_use_id"},
      {User(R"({"type": "text", "text": "a", "cache_control": {"type": "forever"}})"),
       "messages[0].content[0].cache_control"},
      {Body(kHi, R"("system": 5)"), "system"},
      {Body(kHi, R"("system": [{"type": "image"}])"), "system[0].type"},
      {Body(kHi, R"("stop_sequences": "x")"), "stop_sequences"},
      {Body(kHi, R"("stop_sequences": [""])"), "stop_sequences"},
      {Body(kHi, R"("temperature": "hot")"), "temperature"},
      {Body(kHi, R"("top_p": 2)"), "top_p"},
      {Body(kHi, R"("stream": "yes")"), "stream"},
      {Body(kHi, R"("thinking": {"type": "much"})"), "thinking.type"},
      {Body(kHi, R"("metadata": {"user_id": 5})"), "metadata.user_id"},
      {Body(kHi, R"("n": 2)"), "n"},
      {Body(kHi, R"("mcp_servers": [{"url": "x"}])"), "mcp_servers"},
      {Body(kHi, R"("tools": {})"), "tools"},
      {Body(kHi, R"("tools": [{"input_schema": {}}])"), "tools[0].name"},
      {Body(kHi, R"("tools": [{"name": "f"}])"), "tools[0].input_schema"},
      {Body(kHi, R"("tools": [{"name": "f g", "input_schema": {}}])"), "tools[0].name"},
      {Body(kHi, "\"tools\": [" + tool + ", " + tool + "]"), "tools[1].name"},
      {Body(kHi, R"("tools": [{"type": "web_search_20250305", "name": "w"}])"), "tools[0].type"},
      {Body(kHi, R"("tool_choice": {"type": "any"})"), "tool_choice"},
      {Body(kHi, "\"tools\": [" + tool + R"(], "tool_choice": {"type": "tool", "name": "g"})"),
       "tool_choice.name"},
      {Body(kHi, "\"tools\": [" + tool + R"(], "tool_choice": {"type": "maybe"})"),
       "tool_choice.type"},
  };
  ExpectRefused(cases);
}

TEST(MessagesRequest, PlacesInSchemasHaveTheNamesOfThisBody) {
  const auto own = [](const std::string& more, const std::string& place) {
    const auto request = Parse(Body(kHi, more));
    EXPECT_TRUE(request) << request.error().message;
    const Error error = {ErrorCode::kUnsupported, "'" + place + "' is a keyword", place};
    return request ? request->InItsWords(error) : error;
  };
  const std::string schema = R"(: {"type": "json_schema", "schema": {}})";
  const std::string place = "response_format.json_schema.schema.properties.a.not";
  const Error error = own("\"output_config\": {\"format\"" + schema + "}", place);
  EXPECT_EQ(error.param, "output_config.format.schema.properties.a.not");
  EXPECT_EQ(error.message, "'output_config.format.schema.properties.a.not' is a keyword");
  EXPECT_EQ(own("\"output_format\"" + schema, place).param,
            "output_format.schema.properties.a.not");
  EXPECT_EQ(own("\"seed\": 1", "tools[0].function.parameters.not").param,
            "tools[0].input_schema.not");
}

TEST(MessagesRequest, CallsAndResultsMustMeet) {
  const std::string call = kCall;
  const std::string result = R"({"type": "tool_result", "tool_use_id": "t1", "content": "Sunny"})";
  const auto answered = [&](const std::string& blocks) {
    return Body(call + R"(, {"role": "user", "content": [)" + blocks + "]}");
  };
  EXPECT_TRUE(Parse(answered(result)));
  const BadCase cases[] = {
      {Body(call), "messages[1]"},
      {Body(call + "," + kHi), "messages[1]"},
      {answered(result + "," + result), "messages[2].content[1].tool_use_id"},
      {answered(R"({"type": "text", "text": "So:"},)" + result), "messages[2].content[1]"},
  };
  ExpectRefused(cases);
}

}  // namespace
}  // namespace quire
