#include "server/responses/responses_answer.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace quire {
namespace {

SingleFacts Facts(bool stream) {
  SingleFacts facts;
  facts.id = "resp_1";
  facts.model = "m";
  facts.stream = stream;
  facts.reply = {.format = ReplyFormat::kHermes, .tools = {"look"}};
  return facts;
}

std::string Play(bool stream, const std::string& text, FinishReason reason = FinishReason::kStop) {
  ResponsesAnswer answer(Facts(stream), {{"tools", Json::array()}});
  std::string out;
  answer.Begin(out);
  for (const char c : text) answer.Take(0, TokenEvent{0, 5, std::string(1, c), {}}, out);
  answer.Take(0, ChoiceEndEvent{0, reason, "", {}, "hash"}, out);
  DoneEvent done;
  done.receipt.prompt_tokens = 40;
  done.receipt.cached_tokens = 16;
  done.receipt.generated_tokens = 9;
  answer.Take(0, std::move(done), out);
  answer.End(out);
  return out;
}

std::vector<Json> Events(std::string_view sse) {
  std::vector<Json> events;
  while (!sse.empty()) {
    const size_t line = sse.find("\ndata: ");
    const size_t end = sse.find("\n\n");
    events.push_back(Json::parse(sse.substr(line + 7, end - line - 7)));
    EXPECT_EQ(sse.substr(7, line - 7), events.back()["type"].get<std::string>());
    EXPECT_EQ(events.back()["sequence_number"], events.size() - 1);
    sse.remove_prefix(end + 2);
  }
  return events;
}

constexpr const char* kReply =
    "<think>hm</think>I look.<tool_call>{\"name\": \"look\", \"arguments\": {\"at\": \"Rome\"}}"
    "</tool_call>";

void ExpectItems(const Json& response) {
  ASSERT_EQ(response["output"].size(), 3u) << response.dump();
  EXPECT_EQ(response["output"][0]["type"], "reasoning");
  EXPECT_EQ(response["output"][0]["content"][0]["text"], "hm");
  EXPECT_EQ(response["output"][1]["content"][0]["text"], "I look.");
  EXPECT_EQ(response["output"][2]["name"], "look");
  EXPECT_EQ(Json::parse(response["output"][2]["arguments"].get<std::string>())["at"], "Rome");
  EXPECT_EQ(response["status"], "completed");
  EXPECT_EQ(response["usage"]["total_tokens"], 49);
  EXPECT_EQ(response["usage"]["input_tokens_details"]["cached_tokens"], 16);
}

TEST(ResponsesAnswer, GivesItemsOfEveryKind) { ExpectItems(Json::parse(Play(false, kReply))); }

TEST(ResponsesAnswer, AStreamSaysTheSame) {
  const std::vector<Json> events = Events(Play(true, kReply));
  EXPECT_EQ(events.front()["type"], "response.created");
  EXPECT_EQ(events.back()["type"], "response.completed");
  ExpectItems(events.back()["response"]);
  std::string text;
  std::string arguments;
  for (const Json& event : events) {
    if (event["type"] == "response.output_text.delta") text += event["delta"];
    if (event["type"] == "response.function_call_arguments.delta") arguments += event["delta"];
    if (event["type"] == "response.output_text.done") {
      EXPECT_EQ(event["text"], text);
    }
    if (event["type"] == "response.output_item.done") {
      EXPECT_EQ(event["item"]["status"], "completed");
    }
  }
  EXPECT_EQ(text, "I look.");
  EXPECT_EQ(Json::parse(arguments)["at"], "Rome");
}

TEST(ResponsesAnswer, WhatIsCutIsIncomplete) {
  const Json response = Json::parse(Play(false, "Hello", FinishReason::kLength));
  EXPECT_EQ(response["status"], "incomplete");
  EXPECT_EQ(response["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(response["output"][0]["status"], "incomplete");
  EXPECT_EQ(Events(Play(true, "Hello", FinishReason::kLength)).back()["type"],
            "response.incomplete");
}

TEST(ResponsesAnswer, ABrokenCallIsText) {
  const std::string text = "So: <tool_call>{\"name\": \"look\", \"arguments\": {\"at\": ";
  const Json response = Json::parse(Play(false, text));
  ASSERT_EQ(response["output"].size(), 1u) << response.dump();
  EXPECT_EQ(response["output"][0]["content"][0]["text"], text);
  const std::vector<Json> events = Events(Play(true, text));
  EXPECT_TRUE(std::ranges::any_of(events, [](const Json& event) {
    return event["type"] == "response.output_item.done" &&
           event["item"]["type"] == "function_call" && event["item"]["status"] == "incomplete";
  }));
  std::string streamed;
  for (const Json& item : events.back()["response"]["output"]) {
    ASSERT_EQ(item["type"], "message");
    streamed += item["content"][0]["text"];
  }
  EXPECT_EQ(streamed, text);
}

}  // namespace
}  // namespace quire
