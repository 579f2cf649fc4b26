// reply/reply_format.h -- in which way a model writes tool calls and reasoning.
//
//   none      everything is content
//   hermes    <tool_call>{"name": ..., "arguments": ...}</tool_call>         Qwen, Hermes, others
//   qwen-coder <function=f><parameter=x>...</parameter></function>           Qwen3-Coder, Qwen3.5
//   llama     {"name": ..., "parameters": ...}, [f(x=1)], <|python_tag|>     Llama 3.x, 4
//   mistral   [TOOL_CALLS][{...}], [TOOL_CALLS]name[ARGS]{...}, [THINK]      Mistral
//   deepseek  <｜tool▁calls▁begin｜>...                                      DeepSeek V3, R1
//   granite   <|tool_call|>[{...}]                                           Granite 3
//   command-r <|START_ACTION|>[{"tool_name": ...}]<|END_ACTION|>             Command R
//   phi       <|tool_call|>[{...}]<|/tool_call|>, functools[{...}]           Phi-4
//   harmony   <|channel|>analysis<|message|>...                              gpt-oss
//
// Reasoning between <think> and </think> is known to all but `none` and `harmony`.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace quire {

enum class ReplyFormat : uint8_t {
  kNone,
  kHermes,
  kQwenCoder,
  kLlama,
  kMistral,
  kDeepSeek,
  kGranite,
  kCommandR,
  kPhi,
  kHarmony,
};

inline constexpr std::array kReplyFormats = {
    ReplyFormat::kNone,     ReplyFormat::kHermes,    ReplyFormat::kLlama,    ReplyFormat::kMistral,
    ReplyFormat::kDeepSeek, ReplyFormat::kGranite,   ReplyFormat::kCommandR, ReplyFormat::kPhi,
    ReplyFormat::kHarmony,  ReplyFormat::kQwenCoder,
};

std::string_view ReplyFormatName(ReplyFormat format);
std::optional<ReplyFormat> FindReplyFormat(std::string_view name);

// What a chat template teaches; kHermes, the most common one, where it teaches nothing.
ReplyFormat DetectReplyFormat(std::string_view chat_template);

// Marks that must reach the parser though, as control tokens, answers do not show them; those of
// calls only if there may be `calls`.
std::vector<std::string_view> ReplyMarks(ReplyFormat format, bool calls);

// Whether a rendered prompt ends inside the reasoning that the answer continues.
bool EndsInReasoning(ReplyFormat format, std::string_view rendered);

}  // namespace quire
