#include "reply/reply_format.h"

namespace quire {
namespace {

struct Known {
  ReplyFormat format;
  std::string_view name;
};
constexpr Known kKnown[] = {
    {ReplyFormat::kNone, "none"},          {ReplyFormat::kHermes, "hermes"},
    {ReplyFormat::kLlama, "llama"},        {ReplyFormat::kMistral, "mistral"},
    {ReplyFormat::kDeepSeek, "deepseek"},  {ReplyFormat::kGranite, "granite"},
    {ReplyFormat::kCommandR, "command-r"}, {ReplyFormat::kPhi, "phi"},
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
    {"<tool_call>", ReplyFormat::kHermes},
    {"<|start_of_role|>", ReplyFormat::kGranite},
    {"<|tool_call|>", ReplyFormat::kGranite},
    {"<function_call>", ReplyFormat::kGranite},
    {"<|python_tag|>", ReplyFormat::kLlama},
    {"<|start_header_id|>", ReplyFormat::kLlama},
};

constexpr std::string_view kHermesMarks[] = {"<think>", "</think>", "<tool_call>", "</tool_call>"};
constexpr std::string_view kLlamaMarks[] = {"<think>", "</think>", "<|python_tag|>"};
constexpr std::string_view kMistralMarks[] = {"<think>",   "</think>",     "[THINK]", "[/THINK]",
                                              "[CALL_ID]", "[TOOL_CALLS]", "[ARGS]"};
constexpr std::string_view kDeepSeekMarks[] = {
    "<think>",
    "</think>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
};
constexpr std::string_view kGraniteMarks[] = {"<think>",       "</think>",       "<response>",
                                              "</response>",   "<tool_call>",    "</tool_call>",
                                              "<|tool_call|>", "<function_call>"};
constexpr std::string_view kCommandRMarks[] = {
    "<think>",          "</think>",       "<|START_THINKING|>", "<|END_THINKING|>",
    "<|START_ACTION|>", "<|END_ACTION|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>",
    "<|START_TEXT|>",   "<|END_TEXT|>"};
constexpr std::string_view kPhiMarks[] = {"<think>", "</think>", "<|tool_call|>", "<|/tool_call|>"};

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

std::span<const std::string_view> ReplyMarks(ReplyFormat format) {
  switch (format) {
    case ReplyFormat::kHermes:
      return kHermesMarks;
    case ReplyFormat::kLlama:
      return kLlamaMarks;
    case ReplyFormat::kMistral:
      return kMistralMarks;
    case ReplyFormat::kDeepSeek:
      return kDeepSeekMarks;
    case ReplyFormat::kGranite:
      return kGraniteMarks;
    case ReplyFormat::kCommandR:
      return kCommandRMarks;
    case ReplyFormat::kPhi:
      return kPhiMarks;
    case ReplyFormat::kNone:
    case ReplyFormat::kHarmony:  // answers show its marks as they are
      break;
  }
  return {};
}

}  // namespace quire
