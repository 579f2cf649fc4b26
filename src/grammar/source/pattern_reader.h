// grammar/source/pattern_reader.h -- what regular expressions and EBNF have in common: characters,
// escapes, classes and counts.
//
// Threads  none. Errors: kInvalidArgument saying what is wrong where; the caller adds the field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "grammar/character_set.h"

namespace quire {

struct RepeatBounds {
  uint32_t least;
  uint32_t most;  // kEndless of parts.h: none
};

inline constexpr uint32_t kMaxRepeatCount = 10000;  // a number in braces

class PatternReader {
 public:
  explicit PatternReader(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  size_t position() const { return at_; }
  std::string_view rest() const { return text_.substr(at_); }
  bool LooksAt(std::string_view what) const { return rest().starts_with(what); }
  bool Take(std::string_view what);  // false, and nothing is taken, if it is not there
  void Skip(size_t bytes) { at_ += bytes; }

  Result<uint32_t> Character();  // the next one, decoded

  // Behind a backslash: a character or a class of them.
  Result<CharacterSet> Escape() { return AnyEscape(false); }
  // Behind an opening bracket, the closing one included.
  Result<CharacterSet> Class();
  // * + ? {n} {n,} {n,m}, if one is here; others leave a brace where it is.
  Result<std::optional<RepeatBounds>> Repeat();

  std::unexpected<Error> Refused(const std::string& what) const;

 private:
  struct ClassItem {
    CharacterSet set;
    bool is_class = false;  // \d and the like: no end of a range
  };
  Result<CharacterSet> AnyEscape(bool in_class);
  // In a negated class \d and the like are what any reader may take for them.
  Result<ClassItem> Item(bool negated);
  Result<uint32_t> Hex(size_t digits);
  Result<uint32_t> HexEscape(char kind);

  std::string_view text_;
  size_t at_ = 0;
};

// Any character but the line ends of Python and ECMAScript: what a dot matches.
CharacterSet DotCharacters();

}  // namespace quire
