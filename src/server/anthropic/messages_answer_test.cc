#include "server/anthropic/messages_answer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/anthropic/anthropic_error.h"
#include "server/openai/json_input.h"

namespace quire {
namespace {

SingleFacts Facts(bool stream) {
  SingleFacts facts;
  facts.id = "msg_1";
  facts.model = "m";
  facts.notes.request_id = "r";
  facts.stream = stream;
  facts.prompt_tokens = 70;
  facts.reply = {.format = ReplyFormat::kHermes, .tools = {"look"}};
  return facts;
}

struct Ending {
  FinishReason reason = FinishReason::kStop;
  std::optional<std::string> stopped_by = std::nullopt;
};

DoneEvent Done(uint32_t prompt = 70, uint32_t cached = 32) {
  DoneEvent done;
  done.receipt.prompt_tokens = prompt;
  done.receipt.cached_tokens = cached;
  done.receipt.generated_tokens = 9;
  return done;
}

std::string Play(MessagesAnswer& answer, const std::string& text, const Ending& ending = {}) {
  std::string out;
  answer.Begin(out);
  for (const char c : text) answer.Take(0, TokenEvent{0, 5, std::string(1, c), {}}, out);
  answer.Take(0, ChoiceEndEvent{0, ending.reason, "", ending.stopped_by, "hash"}, out);
  answer.Take(0, Done(), out);
  EXPECT_TRUE(answer.done());
  answer.End(out);
  return out;
}

Json Whole(const std::string& text, const Ending& ending = {}) {
  MessagesAnswer answer(Facts(false));
  return Json::parse(Play(answer, text, ending));
}

// What the official client makes of a stream: every event, blocks put together, order checked.
Json Assemble(std::string_view sse) {
  Json message;
  int open = -1;
  while (!sse.empty()) {
    const size_t line = sse.find("\ndata: ");
    const size_t end = sse.find("\n\n");
    const Json event = Json::parse(sse.substr(line + 7, end - line - 7));
    EXPECT_EQ(sse.substr(7, line - 7), event["type"].get<std::string>());
    sse.remove_prefix(end + 2);
    const std::string type = event["type"];
    if (type == "message_start") {
      message = event["message"];
    } else if (type == "content_block_start") {
      EXPECT_EQ(open, -1);
      open = event["index"];
      EXPECT_EQ(open, static_cast<int>(message["content"].size()));
      message["content"].push_back(event["content_block"]);
      if (event["content_block"]["type"] == "tool_use") message["content"][open]["json"] = "";
    } else if (type == "content_block_delta") {
      EXPECT_EQ(event["index"], open);
      for (const auto& [name, value] : event["delta"].items()) {
        if (name == "type") continue;
        const std::string field = name == "partial_json" ? "json" : name;
        Json& grown = message["content"][open][field];
        grown = grown.get<std::string>() + value.get<std::string>();
      }
    } else if (type == "content_block_stop") {
      EXPECT_EQ(event["index"], open);
      open = -1;
    } else if (type == "message_delta") {
      message.update(event["delta"]);
      message["usage"] = event["usage"];
    }
  }
  EXPECT_EQ(open, -1);
  return message;
}

constexpr const char* kReply =
    "<think>hm</think>I look.<tool_call>{\"name\": \"look\", \"arguments\": {\"at\": \"Rome\"}}"
    "</tool_call>";

TEST(MessagesAnswer, GivesBlocksOfEveryKind) {
  const Json message = Whole(kReply);
  EXPECT_EQ(message["type"], "message");
  EXPECT_EQ(message["role"], "assistant");
  ASSERT_EQ(message["content"].size(), 3u) << message.dump();
  EXPECT_EQ(message["content"][0]["thinking"], "hm");
  EXPECT_EQ(message["content"][1]["text"], "I look.");
  EXPECT_EQ(message["content"][2]["name"], "look");
  EXPECT_EQ(message["content"][2]["input"]["at"], "Rome");
  EXPECT_EQ(message["stop_reason"], "tool_use");
  EXPECT_TRUE(message["stop_sequence"].is_null());
}

TEST(MessagesAnswer, AStreamSaysTheSame) {
  MessagesAnswer answer(Facts(true));
  const Json message = Assemble(Play(answer, kReply));
  ASSERT_EQ(message["content"].size(), 3u) << message.dump();
  EXPECT_EQ(message["content"][0]["thinking"], "hm");
  EXPECT_EQ(message["content"][1]["text"], "I look.");
  EXPECT_EQ(Json::parse(message["content"][2]["json"].get<std::string>())["at"], "Rome");
  EXPECT_EQ(message["content"][2]["input"], Json::object());
  EXPECT_EQ(message["stop_reason"], "tool_use");
  EXPECT_EQ(message["usage"]["output_tokens"], 9);
}

TEST(MessagesAnswer, ABrokenCallIsText) {
  const std::string text = "So: <tool_call>{\"name\": \"look\", \"arguments\": {\"at\": ";
  const Json message = Whole(text, {FinishReason::kLength});
  ASSERT_EQ(message["content"].size(), 1u) << message.dump();
  EXPECT_EQ(message["content"][0]["text"], text);
  EXPECT_EQ(message["stop_reason"], "max_tokens");
  MessagesAnswer answer(Facts(true));
  const Json streamed = Assemble(Play(answer, text, {FinishReason::kLength}));
  EXPECT_EQ(streamed["content"].back()["type"], "text");
}

TEST(MessagesAnswer, SaysWhyItStopped) {
  EXPECT_EQ(Whole("Hi")["stop_reason"], "end_turn");
  const Json stopped = Whole("Hi", {FinishReason::kStop, "END"});
  EXPECT_EQ(stopped["stop_reason"], "stop_sequence");
  EXPECT_EQ(stopped["stop_sequence"], "END");
  EXPECT_EQ(Whole("Hi", {FinishReason::kLength})["stop_reason"], "max_tokens");
  SingleFacts facts = Facts(false);
  facts.cut_by_context = true;
  MessagesAnswer answer(std::move(facts));
  EXPECT_EQ(Json::parse(Play(answer, "Hi", {FinishReason::kLength}))["stop_reason"],
            "model_context_window_exceeded");
}

TEST(MessagesAnswer, TokensOfThePromptAddUp) {
  const Json usage = Whole("Hi")["usage"];  // 70 = 4 whole blocks, 2 of them read, and 6 tokens
  EXPECT_EQ(usage["cache_read_input_tokens"], 32);
  EXPECT_EQ(usage["cache_creation_input_tokens"], 32);
  EXPECT_EQ(usage["input_tokens"], 6);
  SingleFacts facts = Facts(false);
  facts.stores = false;
  MessagesAnswer answer(std::move(facts));
  const Json kept_nothing = Json::parse(Play(answer, "Hi"))["usage"];
  EXPECT_EQ(kept_nothing["cache_creation_input_tokens"], 0);
  EXPECT_EQ(kept_nothing["input_tokens"], 38);
}

TEST(MessagesAnswer, BreaksWithAnErrorEvent) {
  MessagesAnswer answer(Facts(true));
  std::string out;
  answer.Break({503, "server_error", "unavailable", "going down", {}}, out);
  EXPECT_TRUE(out.starts_with("event: error\ndata: "));
  const Json error = Json::parse(out.substr(out.find("data: ") + 6));
  EXPECT_EQ(error["type"], "error");
  EXPECT_EQ(error["error"]["type"], "overloaded_error");
  EXPECT_EQ(error["error"]["message"], "going down");
}

TEST(AnthropicError, EveryStatusHasItsType) {
  EXPECT_EQ(AnthropicErrorType(400), "invalid_request_error");
  EXPECT_EQ(AnthropicErrorType(401), "authentication_error");
  EXPECT_EQ(AnthropicErrorType(404), "not_found_error");
  EXPECT_EQ(AnthropicErrorType(413), "request_too_large");
  EXPECT_EQ(AnthropicErrorType(429), "rate_limit_error");
  EXPECT_EQ(AnthropicErrorType(500), "api_error");
  HttpResponse response;
  response.status = 503;
  response.error = ApiError{503, "server_error", "unavailable", "loading", {}};
  UseAnthropicForm(response, "req-1");
  EXPECT_EQ(response.status, 529);
  EXPECT_EQ(Json::parse(response.body)["request_id"], "req-1");
}

}  // namespace
}  // namespace quire
