// grammar/source/regex.h -- regular expressions as parts.
//
// Known: literals, . , classes with ranges and negation, \d \w \s \D \W \S, \n \t \r \f \v \0,
// \xHH \uHHHH \u{H} \/ and escaped punctuation, groups ( ) (?: ), | , * + ? {n} {n,} {n,m}
// (lazy ones mean the same), ^ and $ at the ends. \d and \w are ASCII, \s what Unicode calls white
// space, as it suits both Python and ECMAScript; . is any character but a line end.
// Refused by name: look-around, back references, named groups, \b, \p, flags, possessive ones.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/parts.h"

namespace quire {

enum class RegexUse : uint8_t {
  kWhole,         // matches the whole text, with or without anchors
  kInJsonString,  // what a JSON string means contains a match; the part is its inside, escaped
};

Result<Part> AddRegex(Parts& parts, std::string_view pattern, RegexUse use);

}  // namespace quire
