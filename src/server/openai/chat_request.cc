#include "server/openai/chat_request.h"

#include <array>
#include <utility>

#include "server/openai/tools/legacy_functions.h"

namespace quire {
namespace {

std::unexpected<Error> Bad(const std::string& path, const std::string& what) {
  return Refuse(ErrorCode::kInvalidArgument, "'" + path + "' " + what, path);
}

Status ReadTemplateVariables(FieldReader& reader, Json& variables) {
  const Json* extra = reader.Any("chat_template_kwargs");
  if (extra == nullptr) return {};
  if (!extra->is_object()) return Bad("chat_template_kwargs", "must be an object");
  for (const auto& [name, value] : extra->items()) {
    constexpr std::array<std::string_view, 5> kTaken = {"messages", "tools", "bos_token",
                                                        "eos_token", "add_generation_prompt"};
    for (const std::string_view taken : kTaken) {
      if (name == taken) return Bad("chat_template_kwargs." + name, "cannot be set this way");
    }
    variables[name] = value;
  }
  return {};
}

Status ReadChatLogprobs(FieldReader& reader, GenerationRequest& request) {
  QUIRE_TRY(const auto logprobs, reader.Bool("logprobs"));
  QUIRE_TRY(const auto top, reader.Integer("top_logprobs", 0, kMaxTopLogprobs));
  request.want_logprobs = logprobs.value_or(false);
  if (top && !request.want_logprobs) {
    return Refuse(ErrorCode::kInvalidArgument, "'top_logprobs' needs 'logprobs': true",
                  "top_logprobs");
  }
  request.top_logprobs = static_cast<uint32_t>(top.value_or(0));
  return {};
}

}  // namespace

Result<ChatRequest> ParseChatRequest(std::string_view text) {
  QUIRE_TRY(const Json body, ParseJson(text));
  if (!HasLegacyFunctions(body)) return ReadChatRequest(body);
  QUIRE_TRY(const Json translated, FromLegacyFunctions(body));
  auto request = ReadChatRequest(translated);
  if (!request) return std::unexpected(InLegacyWords(std::move(request).error()));
  request->legacy_functions = body.contains("functions");
  return request;
}

Result<ChatRequest> ReadChatRequest(const Json& body) {
  QUIRE_TRY(FieldReader reader, FieldReader::Of(body));
  ChatRequest request;
  QUIRE_TRY(request.fields, ReadGenerationFields(reader));
  if (request.fields.max_tokens == 0u) return Bad("max_tokens", "must be at least 1");
  const Json* messages = reader.Any("messages");
  if (messages == nullptr) return Bad("messages", "is missing");
  request.variables = Json::object();
  QUIRE_TRY(request.variables["messages"], NormaliseMessages(*messages));
  Json tools;
  QUIRE_TRY(request.tools, ReadToolUse(reader, tools));
  if (!tools.is_null()) request.variables["tools"] = std::move(tools);
  for (const Status& read : {ReadTemplateVariables(reader, request.variables),
                             ReadChatLogprobs(reader, request.fields.request)}) {
    if (!read) return std::unexpected(read.error());
  }
  const Status finished = FinishFields(reader, body, Endpoint::kChat, request.fields);
  if (!finished) return std::unexpected(finished.error());
  return request;
}

}  // namespace quire
