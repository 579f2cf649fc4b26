#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/openai/chat_answer.h"
#include "server/openai/completion_answer.h"
#include "server/openai/json_input.h"
#include "server/openai/logprobs_json.h"

namespace quire {
namespace {

AnswerFacts Facts(bool stream, uint32_t choices = 1, uint32_t prompts = 1) {
  AnswerFacts facts;
  facts.id = "id";
  facts.model = "m";
  facts.notes.request_id = "r";
  facts.notes.numerics = "1/f16/full";
  facts.stream = stream;
  facts.choices = choices;
  facts.prompts = prompts;
  return facts;
}

TokenEvent Token(std::string text, uint32_t choice = 0) { return {choice, 5, std::move(text), {}}; }

ChoiceEndEvent ChoiceEnd(FinishReason reason, uint32_t choice = 0, std::string text = {}) {
  return {choice, reason, std::move(text), {}, "hash" + std::to_string(choice)};
}

DoneEvent Done() {
  DoneEvent done;
  done.receipt.prompt_tokens = 7;
  done.receipt.generated_tokens = 2;
  done.receipt.cached_tokens = 4;
  return done;
}

// The JSON of every event of a stream; "[DONE]" as a string.
std::vector<Json> Events(std::string_view sse) {
  std::vector<Json> events;
  while (!sse.empty()) {
    const size_t end = sse.find("\n\n");
    EXPECT_TRUE(sse.starts_with("data: ") && end != std::string_view::npos) << sse;
    const std::string_view data = sse.substr(6, end - 6);
    events.push_back(data == "[DONE]" ? Json("[DONE]") : Json::parse(data));
    sse.remove_prefix(end + 2);
  }
  return events;
}

TEST(ChatAnswer, GivesAWholeAnswer) {
  AnswerFacts facts = Facts(false);
  facts.notes.want_hashes = true;
  facts.notes.ignored = {"store"};
  OpenAiChatAnswer answer(std::move(facts));
  std::string out;
  answer.Begin(out);
  answer.Take(0, Token("Hel"), out);
  answer.Take(0, Token("lo"), out);
  answer.Take(0, ChoiceEnd(FinishReason::kStop, 0, "!"), out);
  EXPECT_FALSE(answer.done());
  answer.Take(0, Done(), out);
  EXPECT_TRUE(answer.done() && !answer.failed());
  EXPECT_EQ(out, "");
  answer.End(out);
  const Json body = Json::parse(out);
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_EQ(body["choices"][0]["message"]["content"], "Hello!");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(body["usage"]["total_tokens"], 9);
  EXPECT_EQ(body["quire"]["cached_tokens"]["ram"], 4);
  EXPECT_EQ(body["quire"]["logit_hash"], "hash0");
  EXPECT_EQ(body["quire"]["ignored"][0], "store");
}

TEST(ChatAnswer, StreamsRoleTextFinishAndReceipt) {
  OpenAiChatAnswer answer(Facts(true));
  std::string out;
  answer.Begin(out);
  answer.Take(0, Token("Hi"), out);
  answer.Take(0, Token(""), out);  // half a character: nothing to show
  answer.Take(0, ChoiceEnd(FinishReason::kLength), out);
  const auto before = Events(out);
  ASSERT_EQ(before.size(), 2u);
  EXPECT_EQ(before[0]["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(before[1]["choices"][0]["delta"]["content"], "Hi");
  out.clear();
  answer.Take(0, Done(), out);
  answer.End(out);
  const auto last = Events(out);
  ASSERT_EQ(last.size(), 2u);
  EXPECT_EQ(last[0]["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(last[0]["quire"]["request_id"], "r");
  EXPECT_FALSE(last[0].contains("usage"));
  EXPECT_EQ(last[1], "[DONE]");
}

TEST(ChatAnswer, PutsUsageInAChunkOfItsOwn) {
  AnswerFacts facts = Facts(true, 3);
  facts.include_usage = true;
  OpenAiChatAnswer answer(std::move(facts));
  std::string out;
  answer.Begin(out);
  answer.Take(0, ChoiceEnd(FinishReason::kStop, 0), out);
  answer.Take(0, Token("x", 1), out);
  answer.Take(0, ChoiceEnd(FinishReason::kStop, 1), out);
  answer.Take(0, ChoiceEnd(FinishReason::kLength, 2), out);
  answer.Take(0, Done(), out);
  answer.End(out);
  const auto events = Events(out);
  ASSERT_EQ(events.size(), 9u);  // 3 roles, finish 0, x, finish 1, finish 2, usage, DONE
  EXPECT_TRUE(events[0]["usage"].is_null());
  EXPECT_EQ(events[3]["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(events[4]["choices"][0]["index"], 1);
  EXPECT_EQ(events[6]["choices"][0]["finish_reason"], "length");
  EXPECT_TRUE(events[7]["choices"].empty());
  EXPECT_EQ(events[7]["usage"]["completion_tokens"], 2);
}

TEST(CompletionAnswer, NumbersChoicesOverPrompts) {
  CompletionAnswer answer(Facts(false, 2, 2), {"A:", "B:"});
  std::string out;
  answer.Begin(out);
  for (uint32_t prompt = 0; prompt < 2; ++prompt) {
    for (uint32_t choice = 0; choice < 2; ++choice) {
      answer.Take(prompt, Token(std::to_string(prompt * 2 + choice), choice), out);
      answer.Take(prompt, ChoiceEnd(FinishReason::kStop, choice), out);
    }
    answer.Take(prompt, Done(), out);
  }
  answer.End(out);
  const Json body = Json::parse(out);
  EXPECT_EQ(body["choices"][2]["text"], "B:2");
  EXPECT_EQ(body["choices"][3]["index"], 3);
  EXPECT_EQ(body["usage"]["prompt_tokens"], 14);
}

TEST(Answer, RemembersTheFirstFailure) {
  OpenAiChatAnswer answer(Facts(true));
  std::string out;
  answer.Take(0, ChoiceEnd(FinishReason::kFailed), out);
  EXPECT_EQ(out, "");
  DoneEvent done;
  done.error = Error{ErrorCode::kInternal, "broke", ""};
  answer.Take(0, std::move(done), out);
  EXPECT_TRUE(answer.failed());
  AppendSseError(ToApiError(answer.error()), out);
  EXPECT_EQ(Events(out)[0]["error"]["message"], "broke");
}

TEST(CharacterCounter, CountsACharacterWithItsLastByte) {
  CharacterCounter counter;
  const std::pair<std::string_view, size_t> pieces[] = {
      {"a", 1},    {"\xF0\x9F", 1}, {"\x98", 1}, {"\x80", 2}, {"b\xC3", 3},
      {"\xA4", 4}, {"\xE2\x82", 4}, {"x", 7},    {"\x80", 8}, {"\xFF", 9},
  };
  for (const auto& [piece, characters] : pieces) {
    counter.Add(piece);
    EXPECT_EQ(counter.characters(), characters);
  }
}

}  // namespace
}  // namespace quire
