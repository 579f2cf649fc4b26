// Against the real vocabulary of the default model; skipped, saying so, without it.
#include "server/openai/tools/tool_form.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"
#include "reply/reply_message.h"
#include "reply/reply_parser.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

std::string FindModel(const std::string& name) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string base = cache != nullptr ? cache : std::string(home ? home : "") + "/.cache";
  for (const std::string& folder :
       {std::string(QUIRE_SOURCE_DIR "/models"), base + "/quire/models"}) {
    if (std::filesystem::exists(folder + "/" + name)) return folder + "/" + name;
  }
  return {};
}

Tool MakeTool(const std::string& name, size_t index) {
  return {.name = name,
          .parameters = Json::parse(R"({"properties": {"city": {"enum": ["Paris", "Rome"]},
              "days": {"type": "integer", "minimum": 1, "maximum": 9}},
              "required": ["city"], "additionalProperties": false})"),
          .strict = false,
          .index = index};
}

constexpr const char* kCall =
    "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>";

class ToolFormTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = FindModel("smollm2-135m.gguf");
    if (path.empty()) GTEST_SKIP() << "smollm2-135m.gguf is not in models/ or the cache";
    const auto file = GgufFile::Open(path);
    ASSERT_TRUE(file) << file.error().message;
    tokenizer_ = *Tokenizer::Create(*file);
    TokenTexts tokens;
    tokens.ends = tokenizer_->end_of_generation();
    for (uint32_t i = 0; i < tokenizer_->vocab_size(); ++i) {
      const auto token = static_cast<TokenId>(i);
      tokens.texts.push_back(tokenizer_->IsControl(token) ? std::string_view()
                                                          : tokenizer_->Piece(token));
    }
    cache_.emplace(std::make_shared<const TokenTrie>(tokens));
    use_.tools = {MakeTool("f", 0), MakeTool("get_weather", 1)};
    use_.choice = ToolUse::Choice::kRequired;
  }

  // A text of the form that begins with `text`, chosen at random among the tokens that are allowed.
  std::string Write(const ToolFormContext& context, std::mt19937& random, std::string text = {}) {
    const auto form = ToolForm(use_, context, std::nullopt);
    EXPECT_TRUE(form && *form) << (form ? "no form" : form.error().message);
    const auto grammar = CompileForm(*cache_, **form);
    EXPECT_TRUE(grammar) << grammar.error().message;
    if (!grammar) return {};
    GrammarState state(*grammar);
    for (const TokenId token : tokenizer_->Encode(text)) EXPECT_TRUE(state.Advance(token));
    std::vector<uint64_t> mask(state.grammar().trie().num_words());
    while (!state.finished() && text.size() < 5000) {
      if (state.may_end() && random() % 2 == 0) break;
      state.FillMask(mask);
      const TokenId token = Pick(mask, random);
      if (!state.Advance(token)) break;  // it ends the answer
      text += tokenizer_->Piece(token);
    }
    EXPECT_TRUE(state.may_end()) << text;
    return text;
  }

  // Whether `text` is a whole answer of the form.
  bool Takes(const ToolFormContext& context, const std::string& text) {
    const auto form = ToolForm(use_, context, std::nullopt);
    const auto grammar = CompileForm(*cache_, **form);
    EXPECT_TRUE(grammar) << grammar.error().message;
    if (!grammar) return false;
    GrammarState state(*grammar);
    for (const TokenId token : tokenizer_->Encode(text)) {
      if (!state.Advance(token)) return false;
    }
    return state.may_end();
  }

  static TokenId Pick(const std::vector<uint64_t>& mask, std::mt19937& random) {
    std::vector<TokenId> allowed;
    for (size_t word = 0; word < mask.size(); ++word) {
      for (uint64_t bits = mask[word]; bits != 0; bits &= bits - 1) {
        allowed.push_back(static_cast<TokenId>(word * 64) + std::countr_zero(bits));
      }
    }
    EXPECT_FALSE(allowed.empty());
    return allowed[random() % allowed.size()];
  }

  ReplyMessage Read(ReplyFormat format, const std::string& text, bool reasons = false) {
    const auto parser = MakeReplyParser({format, {"f", "get_weather"}, reasons});
    ReplyEvents events;
    parser->Append(text, events);
    parser->Finish(events);
    ReplyMessage message;
    for (const ReplyEvent& event : events) message.Add(event);
    return message;
  }

  void ExpectCalls(const ReplyMessage& message, size_t most) {
    EXPECT_EQ(message.content, "");
    EXPECT_GE(message.calls.size(), 1u);
    EXPECT_LE(message.calls.size(), most);
    for (const ReplyMessage::Call& call : message.calls) {
      EXPECT_TRUE(call.name == "f" || call.name == "get_weather") << call.name;
      const auto arguments = nlohmann::json::parse(call.arguments, nullptr, false);
      ASSERT_TRUE(arguments.is_object()) << call.arguments;
      EXPECT_TRUE(arguments["city"] == "Paris" || arguments["city"] == "Rome");
      EXPECT_LE(arguments.value("days", 1), 9);
    }
  }

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::optional<GrammarCache> cache_;
  ToolUse use_;
};

TEST_F(ToolFormTest, WhatIsRequiredIsReadBackAsCalls) {
  std::mt19937 random(3);
  for (const ReplyFormat format : kReplyFormats) {
    if (format == ReplyFormat::kNone) continue;
    for (const char* chat_template : {"", "[ARGS] <|START_ACTION|> functools <｜tool▁sep｜>"}) {
      for (int round = 0; round < 4; ++round) {
        // Reasoning that is drawn at random never ends.
        const char* begin = format == ReplyFormat::kHarmony ? "<|channel|>commentary" : "";
        const std::string text = Write({format, false, chat_template, *tokenizer_}, random, begin);
        SCOPED_TRACE(std::string(ReplyFormatName(format)) + ": " + text);
        ExpectCalls(Read(format, text), kMaxRequiredCalls);
      }
    }
  }
}

TEST_F(ToolFormTest, OneCallWhereOneIsAskedFor) {
  std::mt19937 random(4);
  const ToolFormContext context = {ReplyFormat::kHermes, false, "", *tokenizer_};
  const std::string one = kCall;
  EXPECT_TRUE(Takes(context, one) && Takes(context, one + "\n" + one));
  use_.parallel = false;
  EXPECT_TRUE(Takes(context, one));
  EXPECT_FALSE(Takes(context, one + "\n" + one));
  for (int round = 0; round < 5; ++round) {
    ExpectCalls(Read(ReplyFormat::kHermes, Write(context, random)), 1);
  }
  use_.parallel = true;
  use_.by_name = true;
  use_.tools.pop_back();
  EXPECT_TRUE(Takes(context, one));
  EXPECT_FALSE(Takes(context, one + "\n" + one));
  for (int round = 0; round < 5; ++round) {
    const ReplyMessage message = Read(ReplyFormat::kHermes, Write(context, random));
    ExpectCalls(message, 1);
    EXPECT_EQ(message.calls[0].name, "f");
  }
}

TEST_F(ToolFormTest, OpenReasoningComesFirst) {
  const ToolFormContext context = {ReplyFormat::kHermes, true, "", *tokenizer_};
  const auto grammar = CompileForm(*cache_, **ToolForm(use_, context, std::nullopt));
  ASSERT_TRUE(grammar) << grammar.error().message;
  GrammarState state(*grammar);
  const std::string text =
      "Hm, {\"x\".\n</think>\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"Rome\"}}"
      "\n</tool_call>";
  for (const TokenId token : tokenizer_->Encode(text)) ASSERT_TRUE(state.Advance(token));
  EXPECT_TRUE(state.may_end());
  const ReplyMessage message = Read(ReplyFormat::kHermes, text, true);
  EXPECT_EQ(message.reasoning, "Hm, {\"x\".");
  ExpectCalls(message, 1);
}

TEST_F(ToolFormTest, StrictToolsHoldFromTheirMarkOn) {
  use_.choice = ToolUse::Choice::kAuto;
  const ToolFormContext context = {ReplyFormat::kHermes, false, "", *tokenizer_};
  EXPECT_FALSE(ToolForm(use_, context, std::nullopt)->has_value());
  for (Tool& tool : use_.tools) tool.strict = true;
  const std::string call = kCall;
  EXPECT_TRUE(Takes(context, "No call at all."));
  EXPECT_TRUE(Takes(context, "First " + call + " then " + call));
  EXPECT_FALSE(Takes(context, "First <tool_call>\n{\"name\": \"g\"}"));
  EXPECT_FALSE(Takes(context, call.substr(0, call.size() - 20)));
}

TEST_F(ToolFormTest, CallsThatMustBeMadeLeaveNoRoomForAFormOfTheWholeAnswer) {
  const ToolFormContext context = {ReplyFormat::kHermes, false, "", *tokenizer_};
  const auto wish = [](const char* param) {
    return StructuredForm{param, "x",
                          [](Parts& parts) { return Result<Part>(parts.Literal("x")); }};
  };
  const auto refused = ToolForm(use_, context, wish("structured.regex"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused.error().param, "structured.regex");
  const auto calls = ToolForm(use_, context, wish("response_format.schema"));
  ASSERT_TRUE(calls && *calls);
  EXPECT_EQ((*calls)->param, "tools");
}

TEST_F(ToolFormTest, SchemasAreRefusedByTheirPlace) {
  use_.tools[1].parameters = Json::parse(R"({"properties": {"x": {"not": {}}}})");
  const auto form = ToolForm(use_, {ReplyFormat::kHermes, false, "", *tokenizer_}, std::nullopt);
  const auto grammar = CompileForm(*cache_, **form);
  ASSERT_FALSE(grammar);
  EXPECT_TRUE(grammar.error().param.starts_with("tools[1].function.parameters"))
      << grammar.error().param;
  EXPECT_FALSE(ToolForm(use_, {ReplyFormat::kNone, false, "", *tokenizer_}, std::nullopt));
}

}  // namespace
}  // namespace quire
