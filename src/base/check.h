// base/check.h -- what to do when the program itself is wrong: stop at once, and say where.
//
// A failed check is a bug in Quire, never a user's mistake (base/result.h) and never exhaustion
// (a plain `false` or a verdict). Checks stay on in every build; QUIRE_DCHECK, for checks that
// cost O(n), is on only when QUIRE_DCHECKS is defined (the sanitizer presets).
#pragma once

namespace quire {

// Prints "file:line: check failed: condition (detail)" to stderr and aborts. Any thread.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const char* detail);

}  // namespace quire

// QUIRE_CHECK(condition) or QUIRE_CHECK(condition, "what it means that it failed").
#define QUIRE_CHECK(condition, ...)                                         \
  do {                                                                      \
    if (!(condition)) [[unlikely]] {                                        \
      ::quire::CheckFailed(__FILE__, __LINE__, #condition, "" __VA_ARGS__); \
    }                                                                       \
  } while (false)

#if defined(QUIRE_DCHECKS)
#define QUIRE_DCHECK(condition, ...) QUIRE_CHECK(condition, __VA_ARGS__)
#else
#define QUIRE_DCHECK(condition, ...) \
  do {                               \
  } while (false)
#endif
