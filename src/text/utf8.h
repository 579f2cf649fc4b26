// text/utf8.h -- where characters begin and end in bytes that may not be UTF-8 at all.
//
// Strict UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF), as PCRE2, JSON and
// browsers understand it. An invalid sequence is as long as the bytes that could have begun a
// character, and at least one: what Unicode calls maximal subparts.
//
// Threads  pure functions. Cost: O(1) per step, linear for whole texts.
#pragma once

#include <cstddef>
#include <string_view>

namespace quire {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

enum class Utf8Kind {
  kValid,
  kInvalid,
  kIncomplete,  // the text ends inside what may be a character
};

struct Utf8Step {
  size_t size;  // bytes it covers, 1 to 4
  Utf8Kind kind;
};

// The first character of `text`, which is not empty.
Utf8Step NextUtf8(std::string_view text);

// How many bytes from the start of `text` are valid UTF-8 (text.size() if all).
size_t ValidUtf8Prefix(std::string_view text);

inline bool IsValidUtf8(std::string_view text) { return ValidUtf8Prefix(text) == text.size(); }

}  // namespace quire
