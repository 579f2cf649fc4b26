#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace quire {

void CheckFailed(const char* file, int line, const char* condition, const char* detail) {
  const bool has_detail = detail[0] != '\0';
  std::fprintf(stderr, "%s:%d: check failed: %s%s%s%s\n", file, line, condition,
               has_detail ? " (" : "", detail, has_detail ? ")" : "");
  std::abort();
}

}  // namespace quire
