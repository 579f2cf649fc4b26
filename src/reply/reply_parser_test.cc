#include "reply/reply_parser.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace quire {
namespace {

using Kind = ReplyEvent::Kind;

// Neighbours of one kind as one, marks left out; `raw` must account for every byte.
ReplyEvents Merge(const ReplyEvents& events, const std::string& text) {
  ReplyEvents merged;
  std::string raw;
  for (const ReplyEvent& event : events) {
    raw += event.raw;
    if (event.kind == Kind::kMark) continue;
    const bool flows = event.kind == Kind::kContent || event.kind == Kind::kReasoning ||
                       event.kind == Kind::kArguments;
    if (flows && !merged.empty() && merged.back().kind == event.kind) {
      merged.back().text += event.text;
    } else {
      merged.push_back({event.kind, event.call, event.text, {}});
    }
  }
  EXPECT_EQ(raw, text) << "R1";
  return merged;
}

ReplyEvents Parse(const ReplyOptions& options, const std::vector<std::string>& pieces) {
  const auto parser = MakeReplyParser(options);
  ReplyEvents events;
  std::string text;
  for (const std::string& piece : pieces) {
    parser->Append(piece, events);
    text += piece;
  }
  parser->Finish(events);
  return Merge(events, text);
}

// "content|~reasoning|name(arguments)|!broken call", in the order in which they came.
std::string Show(const ReplyEvents& events) {
  std::string shown;
  const auto next = [&shown](const std::string& text) {
    if (!shown.empty()) shown += "|";
    shown += text;
  };
  for (const ReplyEvent& event : events) {
    switch (event.kind) {
      case Kind::kContent:
        next(event.text);
        break;
      case Kind::kReasoning:
        next("~" + event.text);
        break;
      case Kind::kCallBegin:
        next(event.text + "(");
        break;
      case Kind::kArguments:
        shown += event.text;
        break;
      case Kind::kCallEnd:
        shown += ")";
        break;
      case Kind::kCallBroken:
        next("!" + event.text);
        break;
      case Kind::kMark:
        break;
    }
  }
  return shown;
}

std::vector<std::string> Bytes(const std::string& text) {
  std::vector<std::string> pieces;
  for (const char c : text) pieces.emplace_back(1, c);
  return pieces;
}

std::vector<std::string> RandomPieces(const std::string& text, std::mt19937& random) {
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size();) {
    const size_t size = 1 + random() % 9;
    pieces.push_back(text.substr(at, size));
    at += size;
  }
  return pieces;
}

// The numbering and nesting of calls, and that their arguments are objects. (R2, R3)
void CheckCalls(const ReplyEvents& events) {
  uint32_t calls = 0;
  bool open = false;
  std::string arguments;
  for (const ReplyEvent& event : events) {
    switch (event.kind) {
      case Kind::kCallBegin:
        EXPECT_FALSE(open);
        EXPECT_EQ(event.call, calls);
        EXPECT_FALSE(event.text.empty());
        open = true;
        arguments.clear();
        break;
      case Kind::kArguments:
        EXPECT_TRUE(open);
        EXPECT_EQ(event.call, calls);
        arguments += event.text;
        break;
      case Kind::kCallEnd:
        EXPECT_TRUE(open);
        EXPECT_TRUE(nlohmann::json::parse(arguments, nullptr, false).is_object()) << arguments;
        open = false;
        ++calls;
        break;
      case Kind::kCallBroken:
        EXPECT_TRUE(open);
        open = false;
        ++calls;
        break;
      default:
        EXPECT_FALSE(open);
    }
  }
  EXPECT_FALSE(open);
}

struct Case {
  ReplyFormat format;
  std::string text;
  std::string shown;
  bool reasons = false;
};

ReplyOptions OptionsOf(const Case& one) {
  return {one.format, {"f", "get_weather"}, one.reasons, false, {{"f", "text"}}};
}

using enum ReplyFormat;

const std::vector<Case> kCases = {
    // Hermes
    {kHermes, "Hello, world!", "Hello, world!"},
    {kHermes, "  Hello \n", "  Hello \n"},
    {kHermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>",
     "f({\"x\": 1})"},
    {kHermes, "Let me see.\n<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>",
     "Let me see.|f({})"},
    {kHermes,
     "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>\n<tool_call>\n"
     "{\"name\": \"g\", \"arguments\": {\"y\": [\"}\", {\"z\": \"\\\"\"}]}}\n</tool_call>",
     "f({\"x\": 1})|g({\"y\": [\"}\", {\"z\": \"\\\"\"}]})"},
    {kHermes, "<tool_call>{\"arguments\": {\"x\": 1.5e3}, \"name\": \"f\"}</tool_call>",
     "f({\"x\": 1.5e3})"},
    {kHermes, "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"x\\\": 1}\"}</tool_call>",
     "f({\"x\": 1})"},
    {kHermes, "<tool_call>{\"name\": \"f\"}</tool_call>", "f({})"},
    {kHermes, "<tool_call>{\"name\": \"f\", \"arguments\": null}</tool_call>", "f({})"},
    {kHermes, "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1}</tool_call>bye",
     "f({\"x\": 1})|bye"},
    {kHermes, "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": \"a\nb\"}}</tool_call>",
     "f({\"x\": \"a\\nb\"})"},
    {kHermes,
     "<tool_call>{\"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": "
     "{\"x\": 2}}}</tool_call>",
     "f({\"x\": 2})"},
    {kHermes, "<tool_call>\n{{\"name\": \"f\", \"arguments\": {\"x\": 2}}}\n</tool_call>",
     "f({\"x\": 2})"},
    {kHermes, "{\"name\": \"f\", \"arguments\": {\"x\": 2}}", "f({\"x\": 2})"},
    {kHermes, "```json\n{\"name\": \"f\", \"arguments\": {\"x\": 2}}\n```", "f({\"x\": 2})"},
    {kHermes, "Sure:\n```json\n{\"name\": \"f\", \"arguments\": {\"x\": 2}}\n```\nDone.",
     "Sure:|f({\"x\": 2})|Done."},
    {kHermes, "[{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"f\", \"arguments\": {}}]",
     "f({})|f({})"},
    {kHermes, "<tools>{\"name\": \"f\", \"arguments\": {}}</tools>", "f({})"},
    // What looks like a call and is none stays text.
    {kHermes, "{\"name\": \"Alice\", \"age\": 3}", "{\"name\": \"Alice\", \"age\": 3}"},
    {kHermes, " {\"city\": \"Paris\"}", " {\"city\": \"Paris\"}"},
    {kHermes, "```json\n{\"name\": \"pkg\"}\n```", "```json\n{\"name\": \"pkg\"}\n```"},
    {kHermes, "```python\nprint({})\n```\nok", "```python\nprint({})\n```\nok"},
    {kHermes, "[1] see [2]", "[1] see [2]"},
    {kHermes, "a < b <tool", "a < b <tool"},
    {kHermes, "a \n<tool_call> \nno", "a \n<tool_call> \nno"},
    {kHermes, "<tool_call></tool_call>", "<tool_call></tool_call>"},
    {kHermes, "<tool_call>{\"name\": \"f\", \"argu", "<tool_call>{\"name\": \"f\", \"argu"},
    {kHermes, "x <tool_call>{\"name\": \"f\", \"arguments\": {\"x\": \"y",
     "x|f({\"x\": \"y|! <tool_call>{\"name\": \"f\", \"arguments\": {\"x\": \"y"},
    {kHermes, "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": oops}}</tool_call>",
     "f({\"x\": |!<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": |oops}}</tool_call>"},
    {kHermes, "<tool_call>{\"name\": 5}</tool_call>", "<tool_call>{\"name\": 5}</tool_call>"},
    {kHermes, "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>",
     "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>"},
    {kHermes, "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call><tool_call>{\"na",
     "f({})|<tool_call>{\"na"},
    {kHermes, "<tool_call>?<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>",
     "<tool_call>?|f({})"},
    // Reasoning
    {kHermes, "<think>\nHm.\n</think>\n\nYes.", "~Hm.|Yes."},
    {kHermes, "<think>\n\n</think>\n\nYes.", "Yes."},
    {kHermes, "Hm, a < b.\n</think>\n\nYes.", "~Hm, a < b.|Yes.", true},
    {kHermes, "cut in the mid", "~cut in the mid", true},
    {kHermes, "<think>a</think><tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>",
     "~a|f({})"},
    {kHermes, "Write <think> like this", "Write <think> like this"},
    {kHermes, "<thin", "<thin"},
    {kHermes, "<think>a <think>b</think> c</think>d", "~a <think>b|c</think>d"},
    {kHermes, "<think>I <tool_call>{\"name\": \"f\"}</tool_call>?</think>No.",
     "~I <tool_call>{\"name\": \"f\"}</tool_call>?|No."},
    {kHermes, "<think>é 中</th", "~é 中</th"},
    {kHermes,
     "<tool_call>{\"name\": \"f\", \"arguments\": {\"é\": \"中\"}}</tool_call> then "
     "<tool_call>{\"name\": \"f\"}</tool_call> 😀",
     "f({\"é\": \"中\"})|then|f({})|😀"},
    {kHermes, "```\n<tool_call>{\"name\": \"f\"}</tool_call>\n```", "```\n|f({})|```"},
    // Qwen3-Coder
    {kQwenCoder,
     "I look.\n<tool_call>\n<function=f>\n<parameter=text>\n12\n</parameter>\n<parameter=n>\n12\n"
     "</parameter>\n</function>\n</tool_call>",
     "I look.|f({\"text\": \"12\", \"n\": 12})"},
    {kQwenCoder, "<tool_call>\n<function=f>\n</function>\n</tool_call>", "f({})"},
    {kQwenCoder, "<function=f><parameter=x>[1, {\"a\": \"b\"}]</parameter></function>",
     "f({\"x\": [1, {\"a\": \"b\"}]})"},
    {kQwenCoder,
     "<tool_call><function=g><parameter=x>\nTrue\n</parameter></function></tool_call>\n<tool_call>"
     "<function=f></function></tool_call>bye",
     "g({\"x\": \"True\"})|f({})|bye"},
    {kQwenCoder,
     "<tool_call><function=f><parameter=text>\n\n  if a < b:\n\tsay \"</param\"\\\n\n</parameter>"
     "</function></tool_call>",
     "f({\"text\": \"\\n  if a < b:\\n\\tsay \\\"</param\\\"\\\\\\n\"})"},
    {kQwenCoder, "<tool_call><function=f><parameter=\"é\">中</parameter></function></tool_call>",
     "f({\"\\\"é\\\"\": \"中\"})"},
    {kQwenCoder, "<function=f></function><function=f></function>", "f({})|f({})"},
    {kQwenCoder, "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>", "f({})"},
    {kQwenCoder, "<function=h></function>", "<function=h></function>"},
    {kQwenCoder, "<tool_call><function=f><parameter=text>a\n</para",
     "f({\"text\": \"a\\n</para|!<tool_call><function=f><parameter=text>a\n</para"},
    {kQwenCoder, "<tool_call><function=f><parameter=x>1</parameter><parameter=x>",
     "f({\"x\": 1|!<tool_call><function=f><parameter=x>1</parameter><parameter=x>"},
    {kQwenCoder, "<tool_call><function=f>oops</function>",
     "<tool_call><function=f>oops</function>"},
    {kQwenCoder, "<tool_call><function=>", "<tool_call><function=>"},
    // Llama
    {kLlama, "[f(x=\"Paris\", n=3)]", "f({\"x\": \"Paris\", \"n\": 3})"},
    {kLlama, "[f(), get_weather(city='San \\'F\\'', on=True, at=None,)]",
     "f({})|get_weather({\"city\": \"San 'F'\", \"on\": true, \"at\": null})"},
    {kLlama, " [ f( x = [1, 2.5, -3,], y = {'a': ('b', \"c\\n\")} ) ] ",
     "f({\"x\": [1, 2.5, -3], \"y\": {\"a\": [\"b\", \"c\\n\"]}})"},
    {kLlama, "<|python_start|>[f(x=\"é\")]<|python_end|>", "f({\"x\": \"é\"})"},
    {kLlama, "<|python_tag|>f.call(x=\"\\x41\\d\")", "f({\"x\": \"\\u0041\\\\d\"})"},
    {kLlama, "[{\"name\": \"f\", \"parameters\": {}}]", "f({})"},
    {kLlama, "[h(x=1)]", "[h(x=1)]"},
    {kLlama, "[1] and [f(x=1)]", "[1] and [f(x=1)]"},
    {kLlama, "[f(1)]", "f({|![f(|1)]"},
    {kLlama, "[f(x=y)]", "f({\"x\": |![f(x=y|)]"},
    {kLlama, "[f(x=1, x=2)]", "f({\"x\": 1|![f(x=1, x=|2)]"},
    {kLlama, "[f(x=1)", "f({\"x\": 1})"},
    {kLlama, "[f(x=\"a", "f({\"x\": \"a|![f(x=\"a"},
    {kLlama, "[f(x=01)]", "f({\"x\": |![f(x=01|)]"},
    {kLlama, "{\"name\": \"f\", \"parameters\": {\"x\": \"1\"}}", "f({\"x\": \"1\"})"},
    {kLlama, "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}", "f({})"},
    {kLlama,
     "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"f\", \"parameters\": "
     "{\"x\": 1}}",
     "f({})|f({\"x\": 1})"},
    {kLlama, "{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}", "f({})"},
    {kLlama, "<function=f>{\"x\": 1}</function>", "f({\"x\": 1})"},
    {kLlama, "<|python_tag|>print(1)", "<|python_tag|>print(1)"},
    {kLlama, "{\"name\": \"h\", \"parameters\": {}}", "{\"name\": \"h\", \"parameters\": {}}"},
    {kLlama, "I will {\"name\": \"f\"}", "I will {\"name\": \"f\"}"},
    // Mistral
    {kMistral, "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"x\": 1}}]", "f({\"x\": 1})"},
    {kMistral,
     "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}, \"id\": \"abcdefghi\"}, {\"name\": "
     "\"f\", \"arguments\": {}}]",
     "f({})|f({})"},
    {kMistral, "Hm.[TOOL_CALLS]f[ARGS]{\"x\": 1}[TOOL_CALLS]g[CALL_ID]123456789[ARGS]{}",
     "Hm.|f({\"x\": 1})|g({})"},
    {kMistral, "[TOOL_CALLS]f{\"x\": 1}", "f({\"x\": 1})"},
    {kMistral, "[THINK]Well.[/THINK]Yes [1].", "~Well.|Yes [1]."},
    {kMistral, "[1] [TOOL", "[1] [TOOL"},
    {kMistral, "[TOOL_CALLS]f[AR", "[TOOL_CALLS]f[AR"},
    {kMistral, "[TOOL_CALLS]f[ARGS]{\"x\": 1", "f({\"x\": 1|![TOOL_CALLS]f[ARGS]{\"x\": 1"},
    // DeepSeek
    {kDeepSeek,
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"x\": "
     "1}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```"
     "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "f({\"x\": 1})|g({})"},
    {kDeepSeek,
     "So.</think>Ok.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"x\": 1}"
     "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "~So.|Ok.|f({\"x\": 1})", true},
    {kDeepSeek, "<｜tool▁calls▁begin｜>oops", "<｜tool▁calls▁begin｜>oops"},
    {kDeepSeek, "<｜tool▁call▁begin｜>f<｜tool▁s", "<｜tool▁call▁begin｜>f<｜tool▁s"},
    {kDeepSeek, "｜a▁b｜", "｜a▁b｜"},
    // Granite
    {kGranite,
     "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"x\": 1}}, {\"name\": \"g\", "
     "\"arguments\": {}}]",
     "f({\"x\": 1})|g({})"},
    {kGranite, "<|tool_call|> {\"name\": \"f\", \"arguments\": {}}", "f({})"},
    {kGranite, "<think>a</think><response>b</response>", "~a|b"},
    {kGranite, "<|tool_call|>[]", "<|tool_call|>[]"},
    // Command R
    {kCommandR,
     "<|START_THINKING|>I call.<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", "
     "\"tool_name\": \"f\", \"parameters\": {\"x\": 1}}\n]<|END_ACTION|>",
     "~I call.|f({\"x\": 1})"},
    {kCommandR, "<|START_RESPONSE|>Hi.<|END_RESPONSE|>", "Hi."},
    {kCommandR, "Action: ```json\n[{\"tool_name\": \"f\", \"parameters\": {}}]\n```", "f({})"},
    {kCommandR, "Action: ```json\n[{\"tool_name\": \"directly_answer\"}]\n```",
     "Action: ```json\n[{\"tool_name\": \"directly_answer\"}]\n```"},
    // Phi
    {kPhi, "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"x\": 1}}]<|/tool_call|>",
     "f({\"x\": 1})"},
    {kPhi, "functools[{\"name\": \"f\", \"arguments\": {\"x\": 1}}]", "f({\"x\": 1})"},
    {kPhi, "functools are", "functools are"},
    // Harmony
    {kHarmony,
     "<|channel|>analysis<|message|>We need f.<|end|><|start|>assistant<|channel|>commentary "
     "to=functions.f <|constrain|>json<|message|>{\"x\": 1}<|call|>",
     "~We need f.|f({\"x\": 1})"},
    {kHarmony,
     "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hi.",
     "~Hm.|Hi."},
    {kHarmony,
     "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to=functions.f"
     "<|channel|>commentary json<|message|>{}",
     "I look.|f({})"},
    {kHarmony, "Just text.", "Just text."},
    {kHarmony, "<|channel|>commentary to=functions.f<|message|>{\"x",
     "f({\"x|!<|channel|>commentary to=functions.f<|message|>{\"x"},
    // None
    {kNone, "<think>a</think><tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>",
     "<think>a</think><tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>"},
};

TEST(ReplyParser, ReadsEveryFormat) {
  for (const Case& one : kCases) {
    const ReplyEvents events = Parse(OptionsOf(one), {one.text});
    EXPECT_EQ(Show(events), one.shown) << ReplyFormatName(one.format) << ": " << one.text;
    CheckCalls(events);
  }
}

TEST(ReplyParser, IsTheSameHoweverTheTextIsCut) {
  std::mt19937 random(1);
  for (const Case& one : kCases) {
    const ReplyEvents whole = Parse(OptionsOf(one), {one.text});
    EXPECT_EQ(Parse(OptionsOf(one), Bytes(one.text)), whole) << one.text;
    for (size_t at = 1; at < one.text.size(); ++at) {
      EXPECT_EQ(Parse(OptionsOf(one), {one.text.substr(0, at), one.text.substr(at)}), whole)
          << one.text << " cut at " << at;
    }
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(Parse(OptionsOf(one), RandomPieces(one.text, random)), whole) << one.text;
    }
  }
}

// Every beginning of every case, read by every format: nothing is lost, calls are whole.
TEST(ReplyParser, LosesNothingWhereverAnAnswerEnds) {
  for (const Case& one : kCases) {
    for (const ReplyFormat format : kReplyFormats) {
      Case other = one;
      other.format = format;
      for (size_t size = 0; size <= one.text.size(); ++size) {
        const std::string text = one.text.substr(0, size);
        const ReplyEvents whole = Parse(OptionsOf(other), {text});
        CheckCalls(whole);
        if (size % 7 == 0) {
          EXPECT_EQ(Parse(OptionsOf(other), Bytes(text)), whole) << text;
        }
      }
    }
  }
}

TEST(ReplyParser, SurvivesGarbage) {
  const std::vector<std::string> words = {"<tool_call>",
                                          "</tool_call>",
                                          "{",
                                          "}",
                                          "[",
                                          "]",
                                          "\"name\"",
                                          ":",
                                          "\"f\"",
                                          "\"arguments\"",
                                          ",",
                                          " ",
                                          "\n",
                                          "<think>",
                                          "</think>",
                                          "[TOOL_CALLS]",
                                          "[ARGS]",
                                          "f",
                                          "\\",
                                          "\"",
                                          "1",
                                          "-",
                                          "null",
                                          "```",
                                          "json",
                                          "<｜tool▁calls▁begin｜>",
                                          "<｜tool▁call▁begin｜>",
                                          "<｜tool▁sep｜>",
                                          "<｜tool▁call▁end｜>",
                                          "<|tool_call|>",
                                          "<|START_ACTION|>",
                                          "<|channel|>",
                                          "<|message|>",
                                          "commentary to=functions.f",
                                          "<|end|>",
                                          "<|start|>assistant",
                                          "functools[",
                                          "<",
                                          "é",
                                          "{\"name\": \"f\", \"arguments\": {",
                                          "<|python_tag|>",
                                          "<function=",
                                          ">",
                                          "<parameter=",
                                          "<parameter=text>",
                                          "</parameter>",
                                          "</function>",
                                          "<function=f>",
                                          "f(",
                                          "x=",
                                          "'a'",
                                          ")",
                                          "[f(x=",
                                          "[THINK]"};
  std::mt19937 random(7);
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    for (size_t words_left = random() % 25; words_left > 0; --words_left) {
      text += words[random() % words.size()];
    }
    Case one{kReplyFormats[random() % kReplyFormats.size()], text, {}, random() % 2 == 0};
    const ReplyEvents whole = Parse(OptionsOf(one), {text});
    CheckCalls(whole);
    ASSERT_EQ(Parse(OptionsOf(one), RandomPieces(text, random)), whole)
        << ReplyFormatName(one.format) << ": " << text;
  }
}

// Text flows: only what may be a mark waits, and arguments come before their call is over.
TEST(ReplyParser, HoldsBackNoMoreThanNeeded) {
  const auto parser = MakeReplyParser({ReplyFormat::kHermes, {"f"}, false});
  ReplyEvents events;
  const auto next = [&](std::string_view text) {
    events.clear();
    parser->Append(text, events);
    return Show(events);
  };
  EXPECT_EQ(next("Hello"), "Hello");
  EXPECT_EQ(next(" "), "");
  EXPECT_EQ(next("you <to"), " you");
  EXPECT_EQ(next("m>"), " <tom>");
  EXPECT_EQ(next("<tool_call>{\"name\": \"f\", \"arguments\": "), "");
  EXPECT_EQ(next("{\"a\":"), "f({\"a\":");
  EXPECT_EQ(next(" \"b"), " \"b");
  EXPECT_EQ(next("c\"}"), "c\"})");
  EXPECT_EQ(next("}</tool_call>"), "");
  const auto plain = MakeReplyParser({ReplyFormat::kHermes, {}, false});
  events.clear();
  plain->Append("a", events);
  plain->Append(" <tool_call>\n", events);
  EXPECT_EQ(Show(Merge(events, "a <tool_call>\n")), "a <tool_call>\n");
}

TEST(ReplyParser, BoundsTheWhiteSpaceItHolds) {
  const auto parser = MakeReplyParser({ReplyFormat::kHermes, {"f"}, false});
  ReplyEvents events;
  const std::string blank(1000, '\n');
  parser->Append(blank, events);
  EXPECT_GT(Show(events).size(), 900u);
}

TEST(ReplyFormat, IsFoundInTemplates) {
  const std::pair<const char*, ReplyFormat> cases[] = {
      {"{{ '<|im_start|>' }} <tool_call>", kHermes},
      {"<|im_start|> <tool_call> <function=", kHermes},
      {"<|im_start|> <tool_call> <function= <parameter=", kQwenCoder},
      {"<|start_header_id|> <|python_tag|>", kLlama},
      {"<|start_header_id|> <tool_call>", kHermes},  // Hermes 3 on Llama
      {"[INST] [TOOL_CALLS]", kMistral},
      {"<｜tool▁calls▁begin｜>", kDeepSeek},
      {"<|start_of_role|>", kGranite},
      {"<|start_of_role|> <tool_call>", kHermes},  // Granite 4
      {"<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>", kCommandR},
      {"<|tool|> <|/tool|>", kPhi},
      {"<|start|>assistant<|channel|>", kHarmony},
      {"<start_of_turn>", kHermes},
  };
  for (const auto& [text, format] : cases) {
    EXPECT_EQ(ReplyFormatName(DetectReplyFormat(text)), ReplyFormatName(format)) << text;
  }
  for (const ReplyFormat format : kReplyFormats) {
    EXPECT_EQ(FindReplyFormat(ReplyFormatName(format)), format);
  }
  EXPECT_FALSE(FindReplyFormat("xml"));
}

TEST(ReplyFormat, KnowsWhenAPromptOpensReasoning) {
  EXPECT_TRUE(EndsInReasoning(ReplyFormat::kHermes, "<|im_start|>assistant\n<think>\n"));
  EXPECT_FALSE(EndsInReasoning(ReplyFormat::kHermes, "<think>\n\n</think>\n\n"));
  EXPECT_TRUE(EndsInReasoning(ReplyFormat::kMistral, "[THINK]"));
  EXPECT_FALSE(EndsInReasoning(ReplyFormat::kNone, "<think>"));
}

TEST(ReplyParser, OfSeveralCallsOneIsTakenAndTheOthersAreText) {
  ReplyOptions options;
  options.format = ReplyFormat::kHermes;
  options.tools = {"f"};
  options.one_call = true;
  const std::string call = R"(<tool_call>{"name": "f", "arguments": {}}</tool_call>)";
  for (const auto& pieces : {std::vector<std::string>{call + call}, Bytes(call + call)}) {
    EXPECT_EQ(Show(Parse(options, pieces)), "f({})|" + call);
  }
}

}  // namespace
}  // namespace quire
