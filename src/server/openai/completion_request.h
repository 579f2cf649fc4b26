// server/openai/completion_request.h -- the body of POST /v1/completions, checked.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "server/openai/generation_fields.h"

namespace quire {

// More prompts in one request than this are refused.
inline constexpr size_t kMaxPrompts = 128;
// OpenAI's default for completions.
inline constexpr uint32_t kDefaultCompletionTokens = 16;

using Prompt = std::variant<std::string, std::vector<TokenId>>;

struct CompletionRequest {
  GenerationFields fields;
  std::vector<Prompt> prompts;  // not empty
  bool echo = false;
  bool parse_special = false;  // in text prompts
};

Result<CompletionRequest> ParseCompletionRequest(std::string_view body);

// A list of token ids; `path` names it in errors.
Result<std::vector<TokenId>> ReadTokens(const Json& list, const std::string& path);

}  // namespace quire
