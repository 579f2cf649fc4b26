// server/openai/error_body.h -- errors as OpenAI's clients expect them.
//
//   {"error": {"message", "type", "param", "code"}}
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace quire {

struct ApiError {
  int status = 500;
  std::string_view type;  // "invalid_request_error", ...
  std::string_view code;  // "context_length_exceeded", ...; empty: null
  std::string message;
  std::string param;  // empty: null
};

// Status, type and code follow from the kind of the error.
ApiError ToApiError(const Error& error);

std::string ErrorBody(const ApiError& error);

}  // namespace quire
