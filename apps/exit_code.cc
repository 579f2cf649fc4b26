#include "apps/exit_code.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace quire {

int Fail(const Error& error, ExitCode code) {
  std::fprintf(stderr, "quire: %s\n", error.message.c_str());
  return code;
}

int Fail(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return Fail(error, kExitUsage);
    case ErrorCode::kAddressInUse:
      return Fail(error, kExitAddress);
    default:
      return Fail(error, kExitFailed);
  }
}

int FinishOutput() {
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  if (flushed && std::ferror(stdout) == 0) return kExitFine;
  if (errno == EPIPE) return kExitFailed;
  const std::string why = errno == 0 ? "a write failed" : std::strerror(errno);
  return Fail({ErrorCode::kIo, "cannot write to stdout: " + why, ""}, kExitFailed);
}

}  // namespace quire
