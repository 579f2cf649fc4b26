#include "grammar/source/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "grammar/source/json_schema.h"

namespace quire {
namespace {

constexpr uint32_t kFirstPlain = 0x20;  // below, characters are escaped

struct ShortEscape {
  char character;
  char letter;
};
constexpr std::array<ShortEscape, 7> kShortEscapes = {
    {{'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\t', 't'}, {'\n', 'n'}, {'\f', 'f'}, {'\r', 'r'}}};

std::string Escape(uint32_t character) {
  for (const ShortEscape& escape : kShortEscapes) {
    if (static_cast<uint32_t>(escape.character) == character) return {'\\', escape.letter};
  }
  return fmt::format("\\u{:04x}", character);
}

const CharacterSet& Plain() {
  static const CharacterSet plain =
      CharacterSet{{0, kFirstPlain - 1}, {'"', '"'}, {'\\', '\\'}}.Complement();
  return plain;
}

template <typename Make>
Part Once(Parts& parts, std::string_view name, const Make& make) {
  if (const auto known = parts.FindRule(name)) return *known;
  const Part rule = parts.NewRule(std::string(name));
  parts.Define(rule, make());
  return rule;
}

Part Digits(Parts& parts, char first = '0') {
  return parts.OneOf(ByteSet::Range(static_cast<uint8_t>(first), '9'));
}

Part Bytes(Parts& parts, std::string_view bytes) {
  ByteSet set;
  for (const char c : bytes) set.Add(static_cast<uint8_t>(c));
  return parts.OneOf(set);
}

Part Hex(Parts& parts, std::string_view upper_and_lower = "0123456789abcdefABCDEF") {
  return Bytes(parts, upper_and_lower);
}

// \uXXXX: half a pair is no character, so surrogates come in twos.
Part UnicodeEscape(Parts& parts) {
  const Part hex = Hex(parts);
  const Part d = Hex(parts, "dD");
  const Part low = parts.Sequence({d, Hex(parts, "01234567"), hex, hex});
  const Part others = parts.Sequence({Hex(parts, "0123456789abcefABCEF"), hex, hex, hex});
  const Part pair = parts.Sequence({d, Hex(parts, "89abAB"), hex, hex, parts.Literal("\\u"), d,
                                    Hex(parts, "cdefCDEF"), hex, hex});
  return parts.Sequence({parts.Literal("u"), parts.Choice({low, others, pair})});
}

// What is not one plain byte: escapes and longer characters.
Part LongCharacter(Parts& parts) {
  return Once(parts, "json character", [&] {
    const Part escape = parts.Sequence(
        {parts.Literal("\\"), parts.Choice({Bytes(parts, "\"\\/bfnrt"), UnicodeEscape(parts)})});
    return parts.Choice({escape, parts.OneOf(CharacterSet{{0x80, 0x10FFFF}})});
  });
}

Part AnyCharacter(Parts& parts) {
  const CharacterSet ascii = Plain().And({{0, 0x7F}});
  return parts.Choice({parts.OneOf(ascii), LongCharacter(parts)});
}

Part Quoted(Parts& parts, Part inside) {
  const Part quote = parts.Literal("\"");
  return parts.Sequence({quote, inside, quote});
}

Part Object(Parts& parts) {
  const Part entry = AddJsonEntry(parts, AddJsonString(parts), AddJsonValue(parts));
  return AddJsonList(parts, entry, {'{', '}'});
}

}  // namespace

Part AddJsonCharacters(Parts& parts, const CharacterSet& characters) {
  std::vector<Part> choices = {parts.OneOf(characters.And(Plain()))};
  const CharacterSet escaped = characters.And(Plain().Complement());
  for (const CharacterRange& range : escaped.ranges()) {
    for (uint32_t character = range.first; character <= range.last; ++character) {
      choices.push_back(parts.Literal(Escape(character)));
    }
  }
  return parts.Choice(choices);
}

Part AddJsonString(Parts& parts, uint32_t least, uint32_t most) {
  if (least == 0 && most == kEndless) {
    return Once(parts, "json string",
                [&] { return Quoted(parts, parts.Repeat(AnyCharacter(parts), 0)); });
  }
  return Quoted(parts, parts.Repeat(AnyCharacter(parts), least, most));
}

Part AddJsonInteger(Parts& parts) {
  return Once(parts, "json integer", [&] {
    const Part more = parts.Repeat(Digits(parts), 0, kMaxIntegerDigits - 1);
    return parts.Sequence(
        {parts.Optional(parts.Literal("-")),
         parts.Choice({parts.Literal("0"), parts.Sequence({Digits(parts, '1'), more})})});
  });
}

Part AddJsonNumber(Parts& parts) {
  return Once(parts, "json number", [&] {
    const Part fraction =
        parts.Sequence({parts.Literal("."), parts.Repeat(Digits(parts), 1, kMaxFractionDigits)});
    const Part exponent = parts.Sequence({Bytes(parts, "eE"), parts.Optional(Bytes(parts, "+-")),
                                          parts.Repeat(Digits(parts), 1, 2)});
    return parts.Sequence(
        {AddJsonInteger(parts), parts.Optional(fraction), parts.Optional(exponent)});
  });
}

Part AddJsonBlank(Parts& parts) {
  return Once(parts, "json blank", [&] {
    const Part line =
        parts.Sequence({parts.Literal("\n"), parts.Repeat(Bytes(parts, " \t"), 0, kMaxIndent)});
    return parts.Choice({parts.Empty(), parts.Literal(" "), line});
  });
}

Part AddJsonLiteral(Parts& parts, std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    const uint8_t byte = static_cast<uint8_t>(c);
    if (byte >= 0x80 || Plain().Has(byte)) {
      json += c;
    } else {
      json += Escape(byte);
    }
  }
  return parts.Literal(json + '"');
}

Part AddJsonEntry(Parts& parts, Part key, Part value) {
  return parts.Sequence({key, parts.Literal(":"), AddJsonBlank(parts), value});
}

Part AddJsonList(Parts& parts, Part item, const JsonList& list) {
  const Part blank = AddJsonBlank(parts);
  const Part open = parts.Literal(std::string(1, list.open));
  const Part close = parts.Literal(std::string(1, list.close));
  const Part none = parts.Sequence({open, blank, close});
  if (list.most == 0) return none;
  const Part more = parts.Repeat(parts.Sequence({parts.Literal(","), blank, item}),
                                 list.least > 0 ? list.least - 1 : 0,
                                 list.most == kEndless ? kEndless : list.most - 1);
  const Part some = parts.Sequence({open, blank, item, more, blank, close});
  return list.least > 0 ? some : parts.Choice({none, some});
}

Part AddJsonValue(Parts& parts) {
  return Once(parts, "json value", [&] {
    return parts.Choice({AddJsonString(parts), AddJsonNumber(parts), AddJsonObject(parts),
                         AddJsonList(parts, AddJsonValue(parts), {'[', ']'}), parts.Literal("true"),
                         parts.Literal("false"), parts.Literal("null")});
  });
}

Part AddJsonObject(Parts& parts) {
  return Once(parts, "json object", [&] { return Object(parts); });
}

}  // namespace quire
