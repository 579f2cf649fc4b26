#include "server/openai/error_body.h"

#include "server/openai/json_writer.h"

namespace quire {
namespace {

constexpr std::string_view kInvalid = "invalid_request_error";
constexpr std::string_view kServer = "server_error";

ApiError Classify(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return {400, kInvalid, "invalid_value", {}, {}};
    case ErrorCode::kContextLength:
      return {400, kInvalid, "context_length_exceeded", {}, {}};
    case ErrorCode::kUnauthorized:
      return {401, "authentication_error", "invalid_api_key", {}, {}};
    case ErrorCode::kNotFound:
      return {404, kInvalid, error.param == "model" ? "model_not_found" : "not_found", {}, {}};
    case ErrorCode::kConflict:
      return {409, kInvalid, "conflict", {}, {}};
    case ErrorCode::kMoved:
      return {409, kInvalid, "moved", {}, {}};
    case ErrorCode::kNeverFits:
      return {413, kInvalid, "never_fits", {}, {}};
    case ErrorCode::kTooLarge:
      return {413, kInvalid, "request_too_large", {}, {}};
    case ErrorCode::kOverloaded:
      return {429, "rate_limit_error", "overloaded", {}, {}};
    case ErrorCode::kQuotaExceeded:
      return {429, "rate_limit_error", "quota_exceeded", {}, {}};
    case ErrorCode::kPeer:
      return {502, kServer, "peer_failed", {}, {}};
    case ErrorCode::kUnavailable:
      return {503, kServer, "unavailable", {}, {}};
    case ErrorCode::kUnsupported:
      return {400, kInvalid, "unsupported_value", {}, {}};
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kAddressInUse:
    case ErrorCode::kInternal:
      break;
  }
  return {500, kServer, "internal_error", {}, {}};
}

JsonWriter& NullableField(JsonWriter& json, std::string_view key, std::string_view text) {
  return text.empty() ? json.Key(key).Null() : json.Field(key, text);
}

}  // namespace

ApiError ToApiError(const Error& error) {
  ApiError api = Classify(error);
  api.message = error.message;
  api.param = error.param;
  return api;
}

std::string ErrorBody(const ApiError& error) {
  JsonWriter json;
  json.BeginObject().Key("error").BeginObject();
  json.Field("message", error.message).Field("type", error.type);
  NullableField(json, "param", error.param);
  NullableField(json, "code", error.code);
  json.EndObject().EndObject();
  return json.Take();
}

}  // namespace quire
