#include "server/openai/tools/call_syntax.h"

#include "base/check.h"

namespace quire {
namespace {

constexpr CallSyntax kHermes = {
    "",           "<tool_call>\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>", "\n", "",
    "<tool_call>"};
constexpr CallSyntax kLlama = {"", "{\"name\": \"", "\", \"parameters\": ", "}", "; ", ""};
constexpr CallSyntax kMistral = {
    "[TOOL_CALLS][", "{\"name\": \"", "\", \"arguments\": ", "}", ", ", "]", "[TOOL_CALLS]"};
constexpr CallSyntax kMistralNew = {"", "[TOOL_CALLS]", "[ARGS]", "", "", "", "[TOOL_CALLS]"};
constexpr CallSyntax kDeepSeek = {"<｜tool▁calls▁begin｜>",
                                  "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
                                  "\n```json\n",
                                  "\n```<｜tool▁call▁end｜>",
                                  "\n",
                                  "<｜tool▁calls▁end｜>",
                                  "<｜tool▁calls▁begin｜>"};
constexpr CallSyntax kDeepSeekNew = {
    "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>", "",
    "<｜tool▁calls▁end｜>",   "<｜tool▁calls▁begin｜>"};
constexpr CallSyntax kGranite = {
    "<|tool_call|>[", "{\"name\": \"", "\", \"arguments\": ", "}", ", ", "]", "<|tool_call|>"};
constexpr CallSyntax kCommandR = {"Action: ```json\n[\n",
                                  "    {\"tool_name\": \"",
                                  "\", \"parameters\": ",
                                  "}",
                                  ",\n",
                                  "\n]\n```",
                                  "Action: ```json"};
constexpr CallSyntax kCommandRNew = {"<|START_ACTION|>[\n",
                                     "    {\"tool_call_id\": \"0\", \"tool_name\": \"",
                                     "\", \"parameters\": ",
                                     "}",
                                     ",\n",
                                     "\n]<|END_ACTION|>",
                                     "<|START_ACTION|>"};
constexpr CallSyntax kPhi = {"<|tool_call|>[",  "{\"name\": \"", "\", \"arguments\": ", "}", ", ",
                             "]<|/tool_call|>", "<|tool_call|>"};
constexpr CallSyntax kPhiFunctools = {
    "functools[", "{\"name\": \"", "\", \"arguments\": ", "}", ", ", "]", "functools["};
constexpr CallSyntax kHarmony = {"",
                                 "<|channel|>commentary to=functions.",
                                 " <|constrain|>json<|message|>",
                                 "",
                                 "",
                                 "",
                                 "<|channel|>commentary to=",
                                 false};

}  // namespace

CallSyntax CallSyntaxOf(ReplyFormat format, std::string_view chat_template) {
  const auto says = [&](std::string_view text) {
    return chat_template.find(text) != std::string_view::npos;
  };
  switch (format) {
    case ReplyFormat::kHermes:
    case ReplyFormat::kQwenCoder:  // which are read too, and hold what a schema says
      return kHermes;
    case ReplyFormat::kLlama:
      return kLlama;
    case ReplyFormat::kMistral:
      return says("[ARGS]") ? kMistralNew : kMistral;
    case ReplyFormat::kDeepSeek:
      return says("<｜tool▁sep｜>") && !says("```json") ? kDeepSeekNew : kDeepSeek;
    case ReplyFormat::kGranite:
      return kGranite;
    case ReplyFormat::kCommandR:
      return says("<|START_ACTION|>") ? kCommandRNew : kCommandR;
    case ReplyFormat::kPhi:
      return says("functools") ? kPhiFunctools : kPhi;
    case ReplyFormat::kHarmony:
      return kHarmony;
    case ReplyFormat::kNone:
      break;
  }
  QUIRE_CHECK(false, "no calls are written in the format none");
  return kHermes;
}

ReasoningSyntax ReasoningSyntaxOf(ReplyFormat format) {
  if (format == ReplyFormat::kHarmony) {
    return {"<|channel|>analysis<|message|>", "<|end|>", "<|start|>assistant"};
  }
  if (format == ReplyFormat::kMistral) return {"[THINK]", "[/THINK]", ""};
  if (format == ReplyFormat::kCommandR) return {"<|START_THINKING|>", "<|END_THINKING|>", ""};
  return {"<think>", "</think>", "\n\n"};
}

}  // namespace quire
