#include <gtest/gtest.h>

#include "server/openai/chat_request.h"
#include "server/openai/completion_request.h"

namespace quire {
namespace {

constexpr const char* kHello = R"("messages": [{"role": "user", "content": "Hi"}])";

std::string Chat(const std::string& more) {
  return std::string("{") + kHello + (more.empty() ? "" : ", " + more) + "}";
}

// Body and the field its refusal names.
struct BadCase {
  std::string body;
  std::string param;
};

TEST(ChatRequest, ReadsEveryField) {
  const auto request = ParseChatRequest(Chat(
      R"("model": "m", "max_completion_tokens": 7, "temperature": 0, "top_p": 0.5, "top_k": 40,
      "min_p": 0.1, "seed": -1, "stop": ["a", "b"], "n": 2, "logprobs": true, "top_logprobs": 3,
      "logit_bias": {"5": -100}, "presence_penalty": 1, "frequency_penalty": -1,
      "repetition_penalty": 1.1, "user": "u", "cache_salt": "s", "return_logit_hash": true,
      "ignore_eos": true, "min_tokens": 2, "kv_policy": {"no_store": true}, "stream": true,
      "stream_options": {"include_usage": true})"));
  ASSERT_TRUE(request) << request.error().message;
  const GenerationFields& fields = request->fields;
  EXPECT_EQ(fields.model, "m");
  EXPECT_EQ(fields.max_tokens, 7u);
  EXPECT_TRUE(fields.stream && fields.include_usage && fields.has_seed);
  EXPECT_TRUE(fields.ignored.empty());
  const GenerationRequest& wanted = fields.request;
  EXPECT_EQ(wanted.sampling.temperature, 0);
  EXPECT_EQ(wanted.sampling.top_k, 40u);
  EXPECT_EQ(wanted.sampling.seed, ~uint64_t{0});
  EXPECT_EQ(wanted.sampling.logit_bias[0], (std::pair<TokenId, float>{5, -100.0f}));
  EXPECT_EQ(wanted.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(wanted.choices, 2u);
  EXPECT_EQ(wanted.top_logprobs, 3u);
  EXPECT_EQ(wanted.cache_salt, "s");
  EXPECT_TRUE(wanted.return_logit_hash && wanted.ignore_eos && wanted.no_store);
}

TEST(ChatRequest, NormalisesMessages) {
  const auto request = ParseChatRequest(
      R"({"messages": [{"role": "developer", "content": [{"type": "text", "text": "a"},
      {"type": "text", "text": "b"}]}, {"role": "assistant", "content": null, "tool_calls":
      [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
      {"role": "tool", "tool_call_id": "1", "content": "ok"}]})");
  ASSERT_TRUE(request) << request.error().message;
  const Json& messages = request->variables["messages"];
  EXPECT_EQ(messages[0].dump(), R"({"role":"system","content":"ab"})");
  EXPECT_EQ(messages[1]["tool_calls"][0]["function"]["arguments"]["x"], 1);
}

TEST(ChatRequest, ACallHasOneResultAndItsIdMayComeAgainInALaterTurn) {
  const std::string call = R"({"role": "assistant", "tool_calls": [{"id": "1", "type": "function",
      "function": {"name": "f", "arguments": "{}"}}]})";
  const std::string result = R"({"role": "tool", "tool_call_id": "1", "content": "ok"})";
  const auto of = [](const std::string& messages) {
    return ParseChatRequest(R"({"messages": [{"role": "user", "content": "a"}, )" + messages +
                            "]}");
  };
  EXPECT_TRUE(of(call + "," + result + "," + call + "," + result));
  const auto twice = of(call + "," + result + "," + result);
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().param, "messages[3].tool_call_id");
}

TEST(ChatRequest, RefusesNamingTheField) {
  const BadCase cases[] = {
      {R"({})", "messages"},
      {R"({"messages": []})", "messages"},
      {R"({"messages": "Hi"})", "messages"},
      {R"({"messages": ["Hi"]})", "messages[0]"},
      {R"({"messages": [{"content": "Hi"}]})", "messages[0].role"},
      {R"({"messages": [{"role": "king", "content": "Hi"}]})", "messages[0].role"},
      {R"({"messages": [{"role": "user"}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": 5}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})",
       "messages[0].content[0].type"},
      {Chat(R"("max_tokens": 0)"), "max_tokens"},
      {Chat(R"("max_tokens": -1)"), "max_tokens"},
      {Chat(R"("max_tokens": 1e10)"), "max_tokens"},
      {Chat(R"("max_tokens": 1.5)"), "max_tokens"},
      {Chat(R"("seed": 18446744073709551616)"), "seed"},
      {Chat(R"("max_tokens": 99999999999999999999)"), "max_tokens"},
      {Chat(R"("max_tokens": 1, "max_completion_tokens": 2)"), "max_tokens"},
      {Chat(R"("temperature": "hot")"), "temperature"},
      {Chat(R"("temperature": -0.1)"), "temperature"},
      {Chat(R"("temperature": 1e300)"), "temperature"},
      {Chat(R"("top_p": 1.01)"), "top_p"},
      {Chat(R"("n": 0)"), "n"},
      {Chat(R"("n": 1000000)"), "n"},
      {Chat(R"("stop": 5)"), "stop"},
      {Chat(R"("stop": ["a", 5])"), "stop"},
      {Chat("\"stop\": \"" + std::string(1025, 'x') + "\""), "stop"},
      {Chat("\"n\": 128, \"stop\": \"" + std::string(65, 'x') + "\""), "stop"},
      {Chat(R"("stop": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17])"), "stop"},
      {Chat(R"("logit_bias": {"x": 1})"), "logit_bias"},
      {Chat(R"("logit_bias": {"1": 101})"), "logit_bias"},
      {Chat(R"("top_logprobs": 2)"), "top_logprobs"},
      {Chat(R"("logprobs": true, "top_logprobs": 21)"), "top_logprobs"},
      {Chat(R"("stream": "yes")"), "stream"},
      {Chat(R"("stream_options": {"include_usage": true})"), "stream_options"},
      {Chat(R"("response_format": {"type": "xml"})"), "response_format.type"},
      {Chat(R"("tool_choice": "required")"), "tool_choice"},
      {Chat(R"("tools": {})"), "tools"},
      {Chat(R"("repeat_penalty": 1.2)"), "repeat_penalty"},
      {Chat(R"("min_tokens": 9, "max_tokens": 3)"), "min_tokens"},
      {Chat(R"("kv_policy": {"no_store": 1})"), "kv_policy.no_store"},
      {Chat(R"("kv_policy": {"no_store": true, "pin": true})"), "kv_policy.no_store"},
      {Chat(R"("kv_policy": {"pin": "yes"})"), "kv_policy.pin"},
      {Chat(R"("kv_policy": {"ttl_seconds": 0})"), "kv_policy.ttl_seconds"},
      {Chat(R"("kv_policy": {"ttl": 5})"), "kv_policy.ttl"},
      {Chat(R"("kv_policy": true)"), "kv_policy"},
      {Chat(R"("chat_template_kwargs": {"messages": []})"), "chat_template_kwargs.messages"},
  };
  for (const BadCase& bad : cases) {
    const auto request = ParseChatRequest(bad.body);
    ASSERT_FALSE(request) << bad.body;
    EXPECT_EQ(request.error().param, bad.param) << bad.body << ": " << request.error().message;
  }
}

TEST(ChatRequest, ListsWhatItIgnores) {
  const auto request = ParseChatRequest(
      Chat(R"("metadata": {"a": 1}, "store": true, "response_format": {"type": "text"},
           "service_tier": null, "best_of": 1)"));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->fields.ignored, (std::vector<std::string>{"metadata", "store"}));
}

// Every way of asking for nothing is honoured; anything else is refused by name.
TEST(ChatRequest, KnowsWhatItCannotDo) {
  const std::pair<const char*, const char*> cases[] = {
      {"no_repeat_ngram_size", "0"},
      {"stop_sequences", "[]"},
      {"tfs_z", "1.0"},
      {"max_new_tokens", "null"},
      {"num_return_sequences", "1"},
      {"repeat_last_n", "-1"},
      {"encoder_repetition_penalty", "1"},
      {"epsilon_cutoff", "0.0"},
      {"add_special_tokens", "true"},
      {"skip_special_tokens", "true"},
      {"add_generation_prompt", "true"},
      {"echo", "false"},
      {"prompt", "null"},
      {"parse_special", "false"},
      {"system", "\"\""},
      {"enable_thinking", "null"},
      {"modalities", "[\"text\"]"},
      {"best_of", "1"},
  };
  for (const auto& [name, neutral] : cases) {
    const auto honoured = ParseChatRequest(Chat("\"" + std::string(name) + "\": " + neutral));
    ASSERT_TRUE(honoured) << honoured.error().message;
    EXPECT_TRUE(honoured->fields.ignored.empty()) << name;
    const bool boolean = std::string_view(neutral) == "true";
    const auto refused =
        ParseChatRequest(Chat("\"" + std::string(name) + "\": " + (boolean ? "false" : "[7]")));
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().param, name);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  }
  EXPECT_FALSE(ParseChatRequest(Chat(R"("enable_thinking": false)")));
}

TEST(ChatRequest, SaysWhatToDo) {
  const auto seed = ParseChatRequest(Chat(R"("seed": 18446744073709551616)"));
  EXPECT_NE(seed.error().message.find("between"), std::string::npos) << seed.error().message;
  const auto silent = ParseChatRequest(R"({"messages": [{"role": "assistant", "content": null}]})");
  EXPECT_NE(silent.error().message.find("tool_calls"), std::string::npos);
  std::string bias;
  for (int i = 0; i < 1100; ++i) bias += (i ? ", \"" : "\"") + std::to_string(i) + "\": 1";
  EXPECT_EQ(ParseChatRequest(Chat("\"logit_bias\": {" + bias + "}")).error().param, "logit_bias");
}

TEST(ChatRequest, TakesWholeNumbersHoweverWritten) {
  const auto request = ParseChatRequest(Chat(R"("max_tokens": 7.0, "n": 2e0, "seed": -3.0)"));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->fields.max_tokens, 7u);
  EXPECT_EQ(request->fields.request.choices, 2u);
  const auto refusal = ParseChatRequest(
      R"({"messages": [{"role": "assistant",
      "content": [{"type": "refusal", "refusal": "No."}]}]})");
  ASSERT_TRUE(refusal) << refusal.error().message;
  EXPECT_EQ(refusal->variables["messages"][0]["content"], "No.");
}

TEST(ChatRequest, LeavesToolsOutWhenNoneIsChosen) {
  const std::string tools = R"("tools": [{"type": "function", "function": {"name": "f"}}])";
  EXPECT_TRUE(ParseChatRequest(Chat(tools))->variables.contains("tools"));
  const auto none = ParseChatRequest(Chat(tools + R"(, "tool_choice": "none")"));
  EXPECT_FALSE(none->variables.contains("tools"));
  EXPECT_TRUE(none->tools.tools.empty());
}

TEST(CompletionRequest, TakesEveryKindOfPrompt) {
  EXPECT_EQ(ParseCompletionRequest(R"({"prompt": "a"})")->prompts,
            (std::vector<Prompt>{std::string("a")}));
  EXPECT_EQ(ParseCompletionRequest(R"({"prompt": [1, 2]})")->prompts,
            (std::vector<Prompt>{std::vector<TokenId>{1, 2}}));
  EXPECT_EQ(ParseCompletionRequest(R"({"prompt": ["a", [3]]})")->prompts,
            (std::vector<Prompt>{std::string("a"), std::vector<TokenId>{3}}));
}

TEST(CompletionRequest, HasOpenAisDefaults) {
  const auto request = ParseCompletionRequest(R"({"prompt": "a", "max_tokens": null})");
  EXPECT_EQ(request->fields.max_tokens, 16u);
  EXPECT_FALSE(request->fields.request.want_logprobs);
  const auto scoring =
      ParseCompletionRequest(R"({"prompt": "a", "max_tokens": 0, "echo": true, "logprobs": 0})");
  EXPECT_EQ(scoring->fields.max_tokens, 0u);
  EXPECT_TRUE(scoring->fields.request.want_prompt_logprobs);
}

TEST(CompletionRequest, RefusesNamingTheField) {
  const BadCase cases[] = {
      {R"({})", "prompt"},
      {R"({"prompt": 5})", "prompt"},
      {R"({"prompt": {"a": 1}})", "prompt"},
      {R"({"prompt": [1, -2]})", "prompt"},
      {R"({"prompt": [1.5]})", "prompt"},
      {R"({"prompt": [1, "a"]})", "prompt"},
      {R"({"prompt": [4294967296]})", "prompt"},
      {R"({"prompt": "a", "logprobs": true})", "logprobs"},
      {R"({"prompt": "a", "logprobs": 21})", "logprobs"},
      {R"({"prompt": "a", "suffix": "b"})", "suffix"},
      {R"({"prompt": "a", "best_of": 3})", "best_of"},
      {R"({"prompt": "a", "min_tokens": 17})", "min_tokens"},
      {R"({"prompt": "a", "top_logprobs": 2})", "top_logprobs"},
      {R"({"prompt": "a", "messages": [{}]})", "messages"},
  };
  for (const BadCase& bad : cases) {
    const auto request = ParseCompletionRequest(bad.body);
    ASSERT_FALSE(request) << bad.body;
    EXPECT_EQ(request.error().param, bad.param) << bad.body << ": " << request.error().message;
  }
}

TEST(CompletionRequest, BoundsTheNumberOfPrompts) {
  std::string body = R"({"prompt": ["a")";
  for (size_t i = 0; i < kMaxPrompts; ++i) body += ", \"a\"";
  EXPECT_EQ(ParseCompletionRequest(body + "]}").error().param, "prompt");
}

TEST(ChatRequest, SaysWhatIsToBecomeOfItsMemory) {
  const auto policy = [](const std::string& fields) {
    return ParseChatRequest(Chat("\"kv_policy\": {" + fields + "}"))->fields.request;
  };
  EXPECT_EQ(policy("").pin_seconds, 0u);
  EXPECT_EQ(policy("").keep_seconds, 0u);
  EXPECT_EQ(policy("\"pin\": true").pin_seconds, 3600u);
  EXPECT_EQ(policy("\"pin\": true, \"ttl_seconds\": 5").pin_seconds, 5u);
  EXPECT_EQ(policy("\"pin\": true, \"ttl_seconds\": 5").keep_seconds, 0u);
  EXPECT_EQ(policy("\"pin\": false, \"ttl_seconds\": 5").keep_seconds, 5u);
  EXPECT_TRUE(policy("\"no_store\": true").no_store);
}

}  // namespace
}  // namespace quire
