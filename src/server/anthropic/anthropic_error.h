// server/anthropic/anthropic_error.h -- errors as Anthropic's clients expect them.
//
//   {"type": "error", "error": {"type", "message"}, "request_id"}
//
// Same statuses as elsewhere, but for 503, which is Anthropic's 529: its clients wait and try again
// on both.
#pragma once

#include <string>
#include <string_view>

#include "server/http/http_message.h"

namespace quire {

// "invalid_request_error", "overloaded_error", ... for a status.
std::string_view AnthropicErrorType(int status);

std::string AnthropicErrorBody(const ApiError& error, std::string_view request_id);

// Gives an error response this form.
void UseAnthropicForm(HttpResponse& response, std::string_view request_id);

}  // namespace quire
