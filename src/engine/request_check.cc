#include "engine/request_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace quire {

namespace {

constexpr uint32_t kMaxTopLogprobs = 100;

Status CheckValues(const RequestLimits& limits, const GenerationRequest& request) {
  const auto refuse = [](std::string message, const char* param) {
    return Refuse(ErrorCode::kInvalidArgument, std::move(message), param);
  };
  if (request.prompt.empty()) return refuse("the prompt has no tokens", "prompt");
  for (const TokenId token : request.prompt) {
    if (token < 0 || static_cast<uint32_t>(token) >= limits.vocab_size) {
      return refuse(fmt::format("token id {} is not in the vocabulary of {} tokens", token,
                                limits.vocab_size),
                    "prompt");
    }
  }
  if (request.choices == 0 || request.choices > limits.max_choices) {
    return refuse(fmt::format("n must be between 1 and {}", limits.max_choices), "n");
  }
  if (request.top_logprobs > kMaxTopLogprobs) {
    return refuse(fmt::format("top_logprobs must be at most {}", kMaxTopLogprobs), "top_logprobs");
  }
  return Validate(request.sampling, limits.vocab_size);
}

Status CheckContext(const RequestLimits& limits, GenerationRequest& request) {
  const uint64_t prompt = request.prompt.size();
  const uint64_t context = limits.context_tokens;
  // Room for one token, unless none is asked for.
  const uint64_t least =
      request.max_tokens == 0 || !request.cut_max_tokens ? request.max_tokens : 1;
  if (prompt + least > context) {
    return Refuse(ErrorCode::kContextLength,
                  fmt::format("this model's context is {} tokens, but the prompt has {} and {} are "
                              "to be generated: {} in all; shorten one of them",
                              context, prompt, least, prompt + least),
                  "prompt");
  }
  request.max_tokens =
      static_cast<uint32_t>(std::min<uint64_t>(request.max_tokens, context - prompt));
  return {};
}

// The last token generated is never read, so it needs no KV.
Status CheckMemory(const RequestLimits& limits, GenerationRequest& request) {
  const uint64_t prompt = request.prompt.size();
  if (request.cut_max_tokens && prompt <= limits.kv_tokens && request.max_tokens > 0) {
    const uint64_t room = limits.kv_tokens - prompt + 1;
    request.max_tokens = static_cast<uint32_t>(std::min<uint64_t>(request.max_tokens, room));
  }
  const uint64_t needed = prompt + std::max(request.max_tokens, 1u) - 1;
  if (needed <= limits.kv_tokens) return {};
  if (prompt > limits.kv_tokens) {
    return Refuse(
        ErrorCode::kNeverFits,
        fmt::format("{} prompt tokens need KV memory for as many, but all of it holds {}; "
                    "shorten the prompt or start with more kv-memory",
                    prompt, limits.kv_tokens),
        "prompt");
  }
  return Refuse(ErrorCode::kNeverFits,
                fmt::format("{} prompt tokens and {} to generate need KV memory for {} tokens, but "
                            "all of it holds {}; shorten one of them or start with more kv-memory",
                            prompt, request.max_tokens, needed, limits.kv_tokens),
                "max_tokens");
}

}  // namespace

Status CheckRequest(const RequestLimits& limits, GenerationRequest& request) {
  Status status = CheckValues(limits, request);
  if (status) status = CheckContext(limits, request);
  if (status) status = CheckMemory(limits, request);
  return status;
}

}  // namespace quire
