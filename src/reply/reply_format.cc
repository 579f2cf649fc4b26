#include "reply/reply_format.h"

namespace quire {
namespace {

struct Known {
  ReplyFormat format;
  std::string_view name;
};
constexpr Known kKnown[] = {
    {ReplyFormat::kNone, "none"},
    {ReplyFormat::kHermes, "hermes"},
    {ReplyFormat::kQwenCoder, "qwen-coder"},
    {ReplyFormat::kLlama, "llama"},
    {ReplyFormat::kMistral, "mistral"},
    {ReplyFormat::kDeepSeek, "deepseek"},
    {ReplyFormat::kGranite, "granite"},
    {ReplyFormat::kCommandR, "command-r"},
    {ReplyFormat::kPhi, "phi"},
    {ReplyFormat::kHarmony, "harmony"},
};

// What only templates of this format say, the most telling first.
constexpr struct {
  std::string_view text;
  ReplyFormat format;
} kTelling[] = {
    {"<|channel|>", ReplyFormat::kHarmony},
    {"[TOOL_CALLS]", ReplyFormat::kMistral},
    {"[AVAILABLE_TOOLS]", ReplyFormat::kMistral},
    {"[THINK]", ReplyFormat::kMistral},
    {"<｜tool▁call", ReplyFormat::kDeepSeek},
    {"<｜Assistant｜>", ReplyFormat::kDeepSeek},
    {"<|START_ACTION|>", ReplyFormat::kCommandR},
    {"<|CHATBOT_TOKEN|>", ReplyFormat::kCommandR},
    {"functools[", ReplyFormat::kPhi},
    {"<|/tool_call|>", ReplyFormat::kPhi},
    {"<|tool|>", ReplyFormat::kPhi},
    {"<parameter=", ReplyFormat::kQwenCoder},
    {"<tool_call>", ReplyFormat::kHermes},
    {"<|start_of_role|>", ReplyFormat::kGranite},
    {"<|tool_call|>", ReplyFormat::kGranite},
    {"<function_call>", ReplyFormat::kGranite},
    {"<|python_tag|>", ReplyFormat::kLlama},
    {"<|start_header_id|>", ReplyFormat::kLlama},
};

struct Marks {
  ReplyFormat format;
  std::vector<std::string_view> always;
  std::vector<std::string_view> of_calls;
};

const Marks kMarks[] = {
    {ReplyFormat::kHermes,
     {"<think>", "</think>"},
     {"<tool_call>", "</tool_call>", "<tools>", "</tools>"}},
    {ReplyFormat::kQwenCoder, {"<think>", "</think>"}, {"<tool_call>", "</tool_call>"}},
    {ReplyFormat::kLlama,
     {"<think>", "</think>"},
     {"<|python_tag|>", "<|python_start|>", "<|python_end|>"}},
    {ReplyFormat::kMistral,
     {"[THINK]", "[/THINK]", "<think>", "</think>"},
     {"[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"}},
    {ReplyFormat::kDeepSeek,
     {"<think>", "</think>"},
     {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>",
      "<｜tool▁call▁end｜>", "<｜tool▁sep｜>"}},
    {ReplyFormat::kGranite,
     {"<think>", "</think>", "<response>", "</response>"},
     {"<|tool_call|>", "<tool_call>", "</tool_call>", "<function_call>"}},
    {ReplyFormat::kCommandR,
     {"<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>",
      "<|START_TEXT|>", "<|END_TEXT|>", "<think>", "</think>"},
     {"<|START_ACTION|>", "<|END_ACTION|>"}},
    {ReplyFormat::kPhi, {"<think>", "</think>"}, {"<|tool_call|>", "<|/tool_call|>"}},
    // The marks of harmony are shown in any case.
};

}  // namespace

std::string_view ReplyFormatName(ReplyFormat format) {
  for (const Known& known : kKnown) {
    if (known.format == format) return known.name;
  }
  return "none";
}

std::optional<ReplyFormat> FindReplyFormat(std::string_view name) {
  for (const Known& known : kKnown) {
    if (known.name == name) return known.format;
  }
  return std::nullopt;
}

ReplyFormat DetectReplyFormat(std::string_view chat_template) {
  for (const auto& [text, format] : kTelling) {
    if (chat_template.find(text) != std::string_view::npos) return format;
  }
  return ReplyFormat::kHermes;
}

std::vector<std::string_view> ReplyMarks(ReplyFormat format, bool calls) {
  std::vector<std::string_view> found;
  for (const Marks& marks : kMarks) {
    if (marks.format != format) continue;
    found = marks.always;
    if (calls) found.insert(found.end(), marks.of_calls.begin(), marks.of_calls.end());
  }
  return found;
}

}  // namespace quire
