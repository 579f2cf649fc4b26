#include "apps/exit_code.h"

#include <cstdio>

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

}  // namespace quire
