#include "server/openai/chat_answer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "server/openai/json_input.h"

namespace quire {
namespace {

constexpr const char* kCall = R"({"name": "f", "arguments": {"x": [1, "e"]}})";

AnswerFacts Facts(bool stream, ReplyFormat format = ReplyFormat::kHermes) {
  AnswerFacts facts;
  facts.id = "id";
  facts.model = "m";
  facts.notes.request_id = "r";
  facts.stream = stream;
  facts.reply = {.format = format, .tools = {"f"}};
  return facts;
}

// An answer that is said in pieces of `step` bytes.
Json Whole(AnswerFacts facts, const std::string& text, FinishReason reason, size_t step = 3) {
  OpenAiChatAnswer answer(std::move(facts));
  std::string out;
  answer.Begin(out);
  for (size_t at = 0; at < text.size(); at += step) {
    answer.Take(0, TokenEvent{0, 5, text.substr(at, step), {}}, out);
  }
  answer.Take(0, ChoiceEndEvent{0, reason, {}, {}, {}}, out);
  answer.Take(0, DoneEvent{}, out);
  EXPECT_EQ(out, "");
  answer.End(out);
  return Json::parse(out)["choices"][0];
}

// What a client puts together from the chunks of a stream.
struct Heard {
  std::string content;
  std::string reasoning;
  std::vector<Json> calls;  // id, name, arguments
  std::string finish;
  size_t argument_chunks = 0;
};

Heard Stream(AnswerFacts facts, const std::string& text, FinishReason reason, size_t step = 3) {
  OpenAiChatAnswer answer(std::move(facts));
  std::string out;
  answer.Begin(out);
  for (size_t at = 0; at < text.size(); at += step) {
    answer.Take(0, TokenEvent{0, 5, text.substr(at, step), {}}, out);
  }
  answer.Take(0, ChoiceEndEvent{0, reason, {}, {}, {}}, out);
  answer.Take(0, DoneEvent{}, out);
  answer.End(out);
  Heard heard;
  for (size_t at = 0; (at = out.find("data: {", at)) != std::string::npos; ++at) {
    const size_t begin = at + 6;
    const Json chunk = Json::parse(out.substr(begin, out.find("\n\n", begin) - begin));
    const Json& choice = chunk["choices"][0];
    const Json& delta = choice["delta"];
    heard.content += delta.value("content", "");
    heard.reasoning += delta.value("reasoning_content", "");
    if (choice["finish_reason"].is_string()) heard.finish = choice["finish_reason"];
    for (const Json& call : delta.value("tool_calls", Json::array())) {
      if (call.contains("id")) {
        EXPECT_EQ(call["index"], heard.calls.size());
        heard.calls.push_back(
            {{"id", call["id"]}, {"name", call["function"]["name"]}, {"arguments", ""}});
      }
      Json& arguments = heard.calls.at(call["index"])["arguments"];
      arguments = arguments.get<std::string>() + call["function"].value("arguments", "");
      ++heard.argument_chunks;
    }
  }
  return heard;
}

const std::string kTwoCalls = std::string("<think>Hm.</think>Sure.\n<tool_call>\n") + kCall +
                              "\n</tool_call>\n<tool_call>\n" + kCall + "\n</tool_call>";

TEST(ChatAnswer, TakesCallsAndReasoningOutOfAWholeAnswer) {
  const Json choice = Whole(Facts(false), kTwoCalls, FinishReason::kStop);
  const Json& message = choice["message"];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(message["content"], "Sure.");
  EXPECT_EQ(message["reasoning_content"], "Hm.");
  ASSERT_EQ(message["tool_calls"].size(), 2u);
  const Json& call = message["tool_calls"][0];
  EXPECT_EQ(call["type"], "function");
  EXPECT_EQ(call["function"]["name"], "f");
  EXPECT_EQ(call["function"]["arguments"], R"({"x": [1, "e"]})");
  EXPECT_TRUE(call["id"].get<std::string>().starts_with("call_"));
  EXPECT_NE(call["id"], message["tool_calls"][1]["id"]);
  EXPECT_TRUE(Whole(Facts(false), kCall, FinishReason::kStop)["message"]["content"].is_null());
}

TEST(ChatAnswer, StreamsTheSameInPieces) {
  const Heard heard = Stream(Facts(true), kTwoCalls, FinishReason::kStop, 2);
  EXPECT_EQ(heard.content, "Sure.");
  EXPECT_EQ(heard.reasoning, "Hm.");
  EXPECT_EQ(heard.finish, "tool_calls");
  ASSERT_EQ(heard.calls.size(), 2u);
  EXPECT_EQ(heard.calls[1]["arguments"], R"({"x": [1, "e"]})");
  EXPECT_GT(heard.argument_chunks, 10u);
}

// Cut anywhere: no text is lost, no half call is one.
TEST(ChatAnswer, MakesHalfCallsContent) {
  const std::string text = std::string("Ok <tool_call>") + kCall;
  const size_t whole = text.size() - 1;  // the call is whole when its arguments are
  for (size_t size = 4; size < whole; ++size) {
    const std::string half = text.substr(0, size);
    const Json choice = Whole(Facts(false), half, FinishReason::kLength);
    EXPECT_EQ(choice["message"]["content"], ToValidUtf8(half));
    EXPECT_FALSE(choice["message"].contains("tool_calls"));
    EXPECT_EQ(choice["finish_reason"], "length");
    const Heard heard = Stream(Facts(true), half, FinishReason::kLength, half.size());
    EXPECT_EQ(heard.content, ToValidUtf8(half));
    EXPECT_EQ(heard.finish, "length");
  }
}

TEST(ChatAnswer, KeepsToOneCallIfAsked) {
  AnswerFacts facts = Facts(false);
  facts.reply.one_call = true;
  const Json message = Whole(std::move(facts), kTwoCalls, FinishReason::kStop)["message"];
  EXPECT_EQ(message["tool_calls"].size(), 1u);
  EXPECT_NE(message["content"].get<std::string>().find(kCall), std::string::npos);
}

TEST(ChatAnswer, LeavesCallsAloneWithoutTools) {
  AnswerFacts facts = Facts(false);
  facts.reply.tools.clear();
  const Json choice = Whole(std::move(facts), kTwoCalls, FinishReason::kStop);
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_FALSE(choice["message"].contains("tool_calls"));
  EXPECT_EQ(choice["message"]["reasoning_content"], "Hm.");
}

TEST(ChatAnswer, ReadsEachChoiceByItself) {
  AnswerFacts facts = Facts(false);
  facts.choices = 2;
  OpenAiChatAnswer answer(std::move(facts));
  std::string out;
  const std::string call = kCall;
  for (size_t at = 0; at < call.size(); ++at) {
    answer.Take(0, TokenEvent{0, 5, call.substr(at, 1), {}}, out);
    answer.Take(0, TokenEvent{1, 5, "a", {}}, out);
  }
  for (uint32_t i = 0; i < 2; ++i) {
    answer.Take(0, ChoiceEndEvent{i, FinishReason::kStop, {}, {}, {}}, out);
  }
  answer.Take(0, DoneEvent{}, out);
  EXPECT_EQ(answer.finish_reasons(), (std::vector<std::string_view>{"tool_calls", "stop"}));
}

TEST(ChatAnswer, ReadsEveryFormat) {
  using enum ReplyFormat;
  const std::pair<ReplyFormat, std::string> cases[] = {
      {kHermes, std::string("<tool_call>") + kCall + "</tool_call>"},
      {kLlama, R"(<|python_tag|>{"name": "f", "parameters": {"x": [1, "e"]}})"},
      {kMistral, std::string("[TOOL_CALLS][") + kCall + "]"},
      {kMistral, R"([TOOL_CALLS]f[ARGS]{"x": [1, "e"]})"},
      {kDeepSeek,
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n"
       "{\"x\": [1, \"e\"]}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"},
      {kGranite, std::string("<|tool_call|>[") + kCall + "]"},
      {kCommandR,
       "<|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": \"f\", "
       "\"parameters\": {\"x\": [1, \"e\"]}}]<|END_ACTION|>"},
      {kPhi, std::string("<|tool_call|>[") + kCall + "]<|/tool_call|>"},
      {kHarmony,
       "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"x\": [1, \"e\"]}"},
  };
  for (const auto& [format, text] : cases) {
    const Heard heard = Stream(Facts(true, format), text, FinishReason::kStop, 1);
    ASSERT_EQ(heard.calls.size(), 1u) << text;
    EXPECT_EQ(heard.calls[0]["arguments"], R"({"x": [1, "e"]})");
    EXPECT_EQ(heard.content, "");
    EXPECT_EQ(heard.finish, "tool_calls");
  }
}

}  // namespace
}  // namespace quire
