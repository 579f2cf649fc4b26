// base/result.h -- values or refusals: how functions say that a caller's wish cannot be met.
//
// Three kinds of failure, three tools: a bug aborts (base/check.h), running out is an ordinary
// answer (`false`, a verdict), and a user's mistake or a broken input is an Error in a Result.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace quire {

// What went wrong, coarse enough to choose an exit code or an HTTP status from.
enum class ErrorCode {
  kInvalidArgument,  // the caller's value is wrong: HTTP 400, exit 2
  kContextLength,    // more tokens than the model's context: HTTP 400 context_length_exceeded
  kUnauthorized,     // HTTP 401
  kNotFound,         // HTTP 404
  kConflict,         // HTTP 409
  kMoved,            // it is elsewhere now: HTTP 409 with the address
  kNeverFits,        // could not fit even in an empty server: HTTP 413 never_fits
  kTooLarge,         // body or field beyond a limit: HTTP 413
  kOverloaded,       // try later: HTTP 429 with Retry-After
  kQuotaExceeded,    // the caller has used what it may use for now: HTTP 429 with Retry-After
  kPeer,             // another server did not do its part: HTTP 502
  kUnavailable,      // loading, draining: HTTP 503
  kUnsupported,      // valid, but Quire does not do it: HTTP 400
  kCorrupt,          // a file is not what it claims to be: exit 3
  kIo,               // the operating system refused: exit 1
  kAddressInUse,     // exit 4
  kInternal,         // HTTP 500
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;               // one line: what was wrong, and what to do
  std::string param;                 // the request field or flag at fault, or empty
  uint32_t retry_after_seconds = 0;  // when trying again may help; 0: not known
  std::string location = {};         // where it is, of kMoved
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

// Refuse(code, message[, param]) converts to any Result.
inline std::unexpected<Error> Refuse(ErrorCode code, std::string message, std::string param = {}) {
  return std::unexpected(Error{code, std::move(message), std::move(param)});
}

}  // namespace quire

#define QUIRE_TRY_CONCAT_(a, b) a##b
#define QUIRE_TRY_NAME_(a, b) QUIRE_TRY_CONCAT_(a, b)

// QUIRE_TRY(auto x, expr): declares x from the Result `expr`, or returns its Error.
#define QUIRE_TRY(declaration, ...) \
  QUIRE_TRY_IMPL_(QUIRE_TRY_NAME_(quire_result_, __LINE__), declaration, __VA_ARGS__)
#define QUIRE_TRY_IMPL_(result, declaration, ...)                 \
  auto result = (__VA_ARGS__);                                    \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = std::move(*result)
