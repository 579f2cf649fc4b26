#include "server/anthropic/anthropic_error.h"

#include "server/openai/json_writer.h"

namespace quire {

std::string_view AnthropicErrorType(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
    case 529:
      return "overloaded_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}

std::string AnthropicErrorBody(const ApiError& error, std::string_view request_id) {
  JsonWriter json;
  json.BeginObject().Field("type", "error").Key("error").BeginObject();
  json.Field("type", AnthropicErrorType(error.status)).Field("message", error.message).EndObject();
  if (!request_id.empty()) json.Field("request_id", request_id);
  json.EndObject();
  return json.Take();
}

void UseAnthropicForm(HttpResponse& response, std::string_view request_id) {
  response.body = AnthropicErrorBody(*response.error, request_id);
  if (response.status == 503) response.status = 529;
}

}  // namespace quire
