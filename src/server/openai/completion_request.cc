#include "server/openai/completion_request.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace quire {
namespace {

std::unexpected<Error> BadPrompt() {
  return Refuse(ErrorCode::kInvalidArgument,
                "'prompt' must be a string, a list of token ids, or a list of either", "prompt");
}

Result<Prompt> ReadPrompt(const Json& value, const std::string& path) {
  if (value.is_string()) return Prompt(value.get<std::string>());
  if (!value.is_array()) return BadPrompt();
  QUIRE_TRY(std::vector<TokenId> tokens, ReadTokens(value, path));
  return Prompt(std::move(tokens));
}

Result<std::vector<Prompt>> ReadPrompts(const Json* value) {
  if (value == nullptr) {
    return Refuse(ErrorCode::kInvalidArgument, "'prompt' is missing", "prompt");
  }
  std::vector<Prompt> prompts;
  const bool several = value->is_array() && !value->empty() && !value->front().is_number();
  if (!several) {
    QUIRE_TRY(Prompt prompt, ReadPrompt(*value, "prompt"));
    prompts.push_back(std::move(prompt));
    return prompts;
  }
  if (value->size() > kMaxPrompts) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'prompt' has more than " + std::to_string(kMaxPrompts) + " entries", "prompt");
  }
  for (size_t i = 0; i < value->size(); ++i) {
    QUIRE_TRY(Prompt prompt, ReadPrompt((*value)[i], "prompt[" + std::to_string(i) + "]"));
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

Status ReadLogprobs(FieldReader& reader, CompletionRequest& request) {
  QUIRE_TRY(const auto logprobs, reader.Integer("logprobs", 0, kMaxTopLogprobs));
  QUIRE_TRY(const auto echo, reader.Bool("echo"));
  QUIRE_TRY(const auto parse_special, reader.Bool("parse_special"));
  request.echo = echo.value_or(false);
  request.parse_special = parse_special.value_or(false);
  GenerationRequest& wanted = request.fields.request;
  wanted.want_logprobs = logprobs.has_value();
  wanted.top_logprobs = static_cast<uint32_t>(logprobs.value_or(0));
  wanted.want_prompt_logprobs = request.echo && logprobs.has_value();
  return {};
}

}  // namespace

Result<std::vector<TokenId>> ReadTokens(const Json& list, const std::string& path) {
  if (!list.is_array()) {
    return Refuse(ErrorCode::kInvalidArgument, "'" + path + "' must be a list of token ids", path);
  }
  std::vector<TokenId> tokens;
  tokens.reserve(list.size());
  for (const Json& value : list) {
    const bool fits = value.is_number_unsigned() &&
                      value.get<uint64_t>() <= uint64_t{std::numeric_limits<TokenId>::max()};
    if (!fits) {
      return Refuse(ErrorCode::kInvalidArgument,
                    "'" + path + "' has an entry that is no token id: " +
                        value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 40),
                    path);
    }
    tokens.push_back(static_cast<TokenId>(value.get<uint64_t>()));
  }
  return tokens;
}

Result<CompletionRequest> ParseCompletionRequest(std::string_view text) {
  QUIRE_TRY(const Json body, ParseJson(text));
  QUIRE_TRY(FieldReader reader, FieldReader::Of(body));
  CompletionRequest request;
  QUIRE_TRY(request.fields, ReadGenerationFields(reader));
  QUIRE_TRY(request.prompts, ReadPrompts(reader.Any("prompt")));
  if (const Status read = ReadLogprobs(reader, request); !read) {
    return std::unexpected(read.error());
  }
  if (!request.fields.max_tokens) request.fields.max_tokens = kDefaultCompletionTokens;
  if (request.fields.request.min_tokens > *request.fields.max_tokens) {
    return Refuse(ErrorCode::kInvalidArgument, "'min_tokens' is more than 'max_tokens'",
                  "min_tokens");
  }
  const Status finished = FinishFields(reader, body, Endpoint::kCompletions, request.fields);
  if (!finished) return std::unexpected(finished.error());
  return request;
}

}  // namespace quire
