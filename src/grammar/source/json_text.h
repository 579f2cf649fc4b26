// grammar/source/json_text.h -- the pieces JSON is written with, as parts.
//
// White space is bounded wherever it may stand: nothing, a space, or a line end and at most
// kMaxIndent blanks, so that no answer is made of blanks. Numbers have at most kMaxIntegerDigits
// digits before the point, kMaxFractionDigits behind it, and exponents of two digits: every reader
// takes them.
#pragma once

#include <cstdint>
#include <string_view>

#include "grammar/character_set.h"
#include "grammar/parts.h"

namespace quire {

inline constexpr uint32_t kMaxIndent = 40;
inline constexpr uint32_t kMaxIntegerDigits = 18;
inline constexpr uint32_t kMaxFractionDigits = 17;

// One of `characters` inside a JSON string, in one way each: escaped only where it must be.
Part AddJsonCharacters(Parts& parts, const CharacterSet& characters);

Part AddJsonString(Parts& parts, uint32_t least = 0, uint32_t most = kEndless);  // in characters
Part AddJsonInteger(Parts& parts);
Part AddJsonNumber(Parts& parts);
Part AddJsonBlank(Parts& parts);  // white space, or none

// The JSON string that means `text` (UTF-8).
Part AddJsonLiteral(Parts& parts, std::string_view text);

// `open` item (, item)* `close`, `least` to `most` items.
struct JsonList {
  char open;
  char close;
  uint32_t least = 0;
  uint32_t most = kEndless;
};
Part AddJsonList(Parts& parts, Part item, const JsonList& list);

// Any JSON string as a key, the colon behind it, and a value.
Part AddJsonEntry(Parts& parts, Part key, Part value);

}  // namespace quire
