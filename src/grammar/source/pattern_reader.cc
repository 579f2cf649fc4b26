#include "grammar/source/pattern_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "grammar/parts.h"

namespace quire {
namespace {

constexpr uint32_t kLastAscii = 0x7F;
const CharacterSet& Ascii() {
  static const CharacterSet set = {{0, kLastAscii}};
  return set;
}

// Classes mean what every reader agrees on: a positive one the least, a negated one the least too.
CharacterSet NamedClass(char name) {
  static const CharacterSet digits = {{'0', '9'}};
  static const CharacterSet words = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  static const CharacterSet spaces = {{'\t', '\r'}, {' ', ' '}};
  static const CharacterSet all_spaces = {{'\t', '\r'},     {0x1C, 0x20},     {0x85, 0x85},
                                          {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                                          {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                                          {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  switch (name) {
    case 'd':
      return digits;
    case 'D':
      return digits.Complement().And(Ascii());
    case 'w':
      return words;
    case 'W':
      return words.Complement().And(Ascii());
    case 's':
      return spaces;
    default:
      return all_spaces.Complement();
  }
}

// What a class means to any reader at all: what its opposite does not mean to everyone.
CharacterSet WidestClass(char name) {
  return NamedClass(static_cast<char>(name ^ 0x20)).Complement();
}

bool IsNamedClass(char c) { return std::string_view("dDwWsS").find(c) != std::string_view::npos; }

std::optional<uint32_t> ControlEscape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'f':
      return '\f';
    case 'v':
      return '\v';
    default:
      return std::nullopt;
  }
}

}  // namespace

CharacterSet DotCharacters() {
  return CharacterSet{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}.Complement();
}

std::unexpected<Error> PatternReader::Refused(const std::string& what) const {
  return Refuse(ErrorCode::kInvalidArgument, fmt::format("{} (at byte {})", what, at_));
}

bool PatternReader::Take(std::string_view what) {
  if (!LooksAt(what)) return false;
  at_ += what.size();
  return true;
}

Result<uint32_t> PatternReader::Character() {
  if (at_end()) return Refused("it ends too early");
  const uint8_t lead = static_cast<uint8_t>(text_[at_]);
  const size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (size == 0 || lead > 0xF4 || rest().size() < size) return Refused("it is not UTF-8");
  uint32_t character = size == 1 ? lead : lead & (0x7Fu >> size);
  for (size_t i = 1; i < size; ++i) {
    const uint8_t byte = static_cast<uint8_t>(text_[at_ + i]);
    if ((byte & 0xC0) != 0x80) return Refused("it is not UTF-8");
    character = character << 6 | (byte & 0x3Fu);
  }
  if (!CharacterSet::All().Has(character)) return Refused("it is not UTF-8");
  at_ += size;
  return character;
}

Result<uint32_t> PatternReader::Hex(size_t digits) {
  uint32_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (at_end() || std::isxdigit(static_cast<unsigned char>(text_[at_])) == 0) {
      return Refused(fmt::format("{} hexadecimal digits are needed here", digits));
    }
    const char c = text_[at_++];
    const uint32_t digit =
        c <= '9' ? static_cast<uint32_t>(c - '0') : static_cast<uint32_t>((c | 0x20) - 'a') + 10;
    value = value * 16 + digit;
  }
  return value;
}

Result<uint32_t> PatternReader::HexEscape(char kind) {
  if (kind == 'u' && Take("{")) {
    const size_t digits = rest().find('}');
    if (digits == 0 || digits > 6) return Refused("\\u{...} needs 1 to 6 hexadecimal digits");
    QUIRE_TRY(const uint32_t character, Hex(digits));
    Take("}");
    return character;
  }
  QUIRE_TRY(const uint32_t high, Hex(kind == 'x' ? 2 : kind == 'u' ? 4 : 8));
  if (kind != 'u' || high < 0xD800 || high > 0xDBFF || !LooksAt("\\u")) return high;
  Skip(2);
  QUIRE_TRY(const uint32_t low, Hex(4));
  if (low < 0xDC00 || low > 0xDFFF) return Refused("half of a surrogate pair");
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

Result<CharacterSet> PatternReader::AnyEscape(bool in_class) {
  if (at_end()) return Refused("it ends with a backslash");
  const char c = text_[at_];
  if (IsNamedClass(c)) {
    Skip(1);
    return NamedClass(c);
  }
  const auto only = [](uint32_t character) { return CharacterSet{{character, character}}; };
  if (const auto control = ControlEscape(c)) {
    Skip(1);
    return only(*control);
  }
  if (c == 'x' || c == 'u' || c == 'U') {
    Skip(1);
    QUIRE_TRY(const uint32_t character, HexEscape(c));
    if (!CharacterSet::All().Has(character)) return Refused("there is no such character");
    return only(character);
  }
  if (c == 'b' && in_class) {
    Skip(1);
    return only('\b');
  }
  const bool more_digits =
      rest().size() > 1 && std::isdigit(static_cast<unsigned char>(rest()[1])) != 0;
  if (c == '0' && !more_digits) {
    Skip(1);
    return only(0);
  }
  if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
    return Refused("back references and octal escapes are not supported");
  }
  if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
    return Refused(fmt::format("the escape \\{} is not supported", c));
  }
  QUIRE_TRY(const uint32_t character, Character());
  return only(character);
}

Result<PatternReader::ClassItem> PatternReader::Item(bool negated) {
  ClassItem item;
  if (!Take("\\")) {
    QUIRE_TRY(const uint32_t character, Character());
    item.set.Add(character, character);
    return item;
  }
  item.is_class = !at_end() && IsNamedClass(text_[at_]);
  if (item.is_class && negated) {
    item.set = WidestClass(text_[at_]);
    Skip(1);
    return item;
  }
  QUIRE_TRY(item.set, AnyEscape(true));
  return item;
}

Result<CharacterSet> PatternReader::Class() {
  const bool negated = Take("^");
  if (LooksAt("]")) return Refused("a class needs a character; write \\] for a bracket");
  CharacterSet set;
  while (!Take("]")) {
    if (at_end()) return Refused("a class is not closed");
    if (LooksAt("[:")) return Refused("classes like [:alpha:] are not supported");
    QUIRE_TRY(const ClassItem first, Item(negated));
    set.Add(first.set);
    if (!LooksAt("-") || LooksAt("-]") || first.is_class) continue;
    Skip(1);
    QUIRE_TRY(const ClassItem last, Item(negated));
    if (last.is_class) return Refused("a range cannot end with a class");
    if (first.set.empty() || last.set.empty()) return Refused("a range needs two characters");
    const uint32_t low = first.set.ranges()[0].first;
    const uint32_t high = last.set.ranges()[0].first;
    if (low > high) return Refused("a range is the wrong way round");
    set.Add(low, high);
  }
  return negated ? set.Complement() : set;
}

Result<std::optional<RepeatBounds>> PatternReader::Repeat() {
  if (Take("*")) return RepeatBounds{0, kEndless};
  if (Take("+")) return RepeatBounds{1, kEndless};
  if (Take("?")) return RepeatBounds{0, 1};
  if (!LooksAt("{")) return std::nullopt;
  const size_t close = rest().find('}');
  const std::string_view inside =
      close == std::string_view::npos ? std::string_view() : rest().substr(1, close - 1);
  const size_t comma = inside.find(',');
  const std::string_view low = inside.substr(0, comma);
  const std::string_view high = comma == std::string_view::npos ? low : inside.substr(comma + 1);
  const auto digits = [](std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  };
  if (!digits(low) || !digits(high)) return std::nullopt;
  if (low.empty()) {
    if (comma == std::string_view::npos) return std::nullopt;
    return Refused("{,n} is a repetition to some readers and a text to others; write {0,n}");
  }
  const auto number = [](std::string_view text) {
    return text.size() > 5 ? kMaxRepeatCount + 1
                           : static_cast<uint32_t>(std::stoul(std::string(text)));
  };
  const RepeatBounds bounds{number(low), high.empty() ? kEndless : number(high)};
  if (bounds.least > kMaxRepeatCount || (!high.empty() && bounds.most > kMaxRepeatCount)) {
    return Refused(fmt::format("a repeat count is above {}", kMaxRepeatCount));
  }
  if (bounds.least > bounds.most) return Refused("a repeat count is the wrong way round");
  Skip(close + 1);
  return bounds;
}

}  // namespace quire
