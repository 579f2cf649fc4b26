#include "apps/exit_code.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace quire {

namespace {

// Messages quote files and flags: what is no text there must neither steer nor break a terminal.
std::string Printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Step step = NextUtf8(text);
    const bool control = static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7F;
    out += step.kind != Utf8Kind::kValid || control ? kReplacementCharacter
                                                    : text.substr(0, step.size);
    text.remove_prefix(step.size);
  }
  return out;
}

}  // namespace

int Fail(const Error& error, ExitCode code) {
  std::fprintf(stderr, "quire: %s\n", Printable(error.message).c_str());
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
