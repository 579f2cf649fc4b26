// Strings and numbers: their keywords as bounds and patterns.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "grammar/source/json_text.h"
#include "grammar/source/number_range.h"
#include "grammar/source/regex.h"
#include "grammar/source/schema/compiler.h"
#include "grammar/source/schema/formats.h"

namespace quire {
namespace {

constexpr uint32_t kMaxDivisor = 200;
constexpr uint32_t kMaxDividedDigits = 9;
constexpr int64_t kMaxListed = 1000;  // multiples between two bounds that are simply listed
constexpr double kMaxExactWhole = 9007199254740992.0;  // 2^53

Result<Part> PatternPart(Parts& parts, const std::string& pattern, const std::string& path,
                         std::string_view keyword) {
  auto part = AddRegex(parts, pattern, RegexUse::kInJsonString);
  if (part) return part;
  return RefuseKeyword(path, keyword, "is not supported: " + part.error().message);
}

std::optional<Decimal> DecimalAt(const SchemaJson& schema, const char* keyword) {
  const auto found = schema.find(keyword);
  if (found == schema.end() || !found->is_number()) return std::nullopt;
  if (found->is_number_unsigned()) return DecimalOf(found->get<uint64_t>());
  if (found->is_number_integer()) return DecimalOf(found->get<int64_t>());
  return DecimalOf(found->get<double>());
}

// minimum and exclusiveMinimum, which in draft 4 is a boolean that makes minimum exclusive.
NumberBounds BoundsOf(const SchemaJson& schema) {
  NumberBounds bounds;
  const auto open = [&](const char* keyword) {
    return schema.contains(keyword) && schema[keyword] == true;
  };
  if (const auto low = DecimalAt(schema, "minimum")) {
    bounds.RaiseLow({*low, open("exclusiveMinimum")});
  }
  if (const auto low = DecimalAt(schema, "exclusiveMinimum")) bounds.RaiseLow({*low, true});
  if (const auto high = DecimalAt(schema, "maximum")) {
    bounds.CutHigh({*high, open("exclusiveMaximum")});
  }
  if (const auto high = DecimalAt(schema, "exclusiveMaximum")) bounds.CutHigh({*high, true});
  const std::string format = schema.value("format", std::string());
  if (format == "int32") {
    bounds.RaiseLow({DecimalOf(int64_t{std::numeric_limits<int32_t>::min()}), false});
    bounds.CutHigh({DecimalOf(int64_t{std::numeric_limits<int32_t>::max()}), false});
  }
  return bounds;
}

// One character inside a JSON string, told by its length alone: what else it must be, a pattern
// beside it says.
Part AnyCharacter(Parts& parts) {
  const auto range = [&](uint8_t first, uint8_t last) {
    return parts.OneOf(ByteSet::Range(first, last));
  };
  ByteSet plain = ByteSet::Range(0, 0x7F);
  plain.Remove('\\');
  ByteSet letters = ByteSet::Range(0, 0x7F);
  letters.Remove('u');
  const Part tail = range(0x80, 0xBF);
  const Part any = range(0, 0x7F);
  return parts.Choice(
      {parts.OneOf(plain), parts.Sequence({parts.Literal("\\"), parts.OneOf(letters)}),
       parts.Sequence({parts.Literal("\\u"), any, any, any, any}),
       parts.Sequence({range(0xC2, 0xDF), tail}), parts.Sequence({range(0xE0, 0xEF), tail, tail}),
       parts.Sequence({range(0xF0, 0xF4), tail, tail, tail})});
}

// Whole numbers of at most kMaxDividedDigits digits that `divisor` divides: what is left of each
// beginning, by digits to come.
Part Multiples(Parts& parts, uint32_t divisor) {
  std::vector<Part> tails(divisor, parts.Never());
  tails[0] = parts.Empty();
  const auto digit = [&](uint32_t value) {
    return parts.Literal(std::string(1, static_cast<char>('0' + value)));
  };
  std::vector<Part> digits;
  for (uint32_t value = 0; value < 10; ++value) digits.push_back(digit(value));
  const auto step = [&](uint32_t left, uint32_t first, const std::vector<Part>& then) {
    std::vector<Part> choices;
    for (uint32_t value = first; value < 10; ++value) {
      choices.push_back(parts.Sequence({digits[value], then[(left * 10 + value) % divisor]}));
    }
    return choices;
  };
  for (uint32_t count = 1; count < kMaxDividedDigits; ++count) {
    std::vector<Part> longer;
    for (uint32_t left = 0; left < divisor; ++left) {
      std::vector<Part> choices = step(left, 0, tails);
      if (left == 0) choices.push_back(parts.Empty());
      longer.push_back(parts.Choice(choices));
    }
    tails = std::move(longer);
  }
  const Part number = parts.Choice(step(0, 1, tails));
  return parts.Choice({digits[0], parts.Sequence({parts.Optional(parts.Literal("-")), number})});
}

Result<Part> AddMultiples(Parts& parts, const NumberBounds& bounds, const SchemaJson& schema,
                          const std::string& path) {
  const double divisor = schema["multipleOf"].get<double>();
  if (!(divisor >= 1) || std::trunc(divisor) != divisor || divisor > kMaxExactWhole) {
    return RefuseKeyword(path, "multipleOf", "is supported for whole numbers above 0 only");
  }
  const auto whole = [](const NumberBounds::Bound& bound) {
    const double value = std::stod(bound.value.whole + "." + bound.value.fraction + "0");
    return bound.value.negative ? -value : value;
  };
  if (bounds.low && bounds.high) {
    const double first = std::ceil(whole(*bounds.low) / divisor);
    const double last = std::floor(whole(*bounds.high) / divisor);
    if (last - first <= kMaxListed && std::abs(first * divisor) < kMaxExactWhole &&
        std::abs(last * divisor) < kMaxExactWhole) {
      std::vector<Part> choices;
      for (double i = first; i <= last; ++i) {
        const double value = i * divisor;
        if (bounds.low->open && value == whole(*bounds.low)) continue;
        if (bounds.high->open && value == whole(*bounds.high)) continue;
        choices.push_back(parts.Literal(fmt::format("{}", static_cast<int64_t>(value))));
      }
      return parts.Choice(choices);
    }
  }
  if (divisor > kMaxDivisor) {
    return RefuseKeyword(path, "multipleOf",
                         fmt::format("above {} needs a minimum and a maximum with at most {} "
                                     "multiples between them",
                                     kMaxDivisor, kMaxListed));
  }
  return parts.Both(AddIntegers(parts, bounds), Multiples(parts, static_cast<uint32_t>(divisor)));
}

}  // namespace

Result<Part> AddSchemaString(Parts& parts, const SchemaJson& schema, const std::string& path) {
  const uint64_t least = schema.value("minLength", uint64_t{0});
  const uint64_t most = schema.value("maxLength", uint64_t{kEndless});
  if (least > most) return parts.Never();
  if (least >= kMaxPartBytes || (most < kEndless && most >= kMaxPartBytes)) {
    return RefuseKeyword(path, least >= kMaxPartBytes ? "minLength" : "maxLength",
                         "is longer than any answer");
  }
  const uint32_t low = static_cast<uint32_t>(least);
  const uint32_t high = static_cast<uint32_t>(most);
  std::vector<Part> patterns;
  const auto add = [&](const std::string& pattern, std::string_view keyword) -> Status {
    QUIRE_TRY(const Part part, PatternPart(parts, pattern, path, keyword));
    patterns.push_back(part);
    return {};
  };
  Status added;
  if (schema.contains("pattern")) added = add(schema["pattern"], "pattern");
  for (const SchemaJson& pattern : schema.value("$patterns", SchemaJson::array())) {
    if (added) added = add(pattern, "pattern");
  }
  if (schema.contains("format") && added) {
    const std::string format = schema["format"];
    if (const auto pattern = PatternOfFormat(format)) {
      added = add("^(?:" + *pattern + ")$", "format");
    } else if (!IsLooseFormat(format)) {
      return RefuseKeyword(path, "format", "is not supported for strings: " + format);
    }
  }
  if (!added) return std::unexpected(added.error());
  if (patterns.empty()) return AddJsonString(parts, low, high);
  Part inside = patterns[0];
  for (size_t i = 1; i < patterns.size(); ++i) inside = parts.Both(inside, patterns[i]);
  if (low > 0 || most < kEndless) {
    inside = parts.Both(inside, parts.Repeat(AnyCharacter(parts), low, high));
  }
  return parts.Sequence({parts.Literal("\""), inside, parts.Literal("\"")});
}

Result<Part> AddSchemaNumber(Parts& parts, const SchemaJson& schema, bool integer,
                             const std::string& path) {
  const NumberBounds bounds = BoundsOf(schema);
  if (schema.contains("multipleOf")) return AddMultiples(parts, bounds, schema, path);
  if (!bounds.low && !bounds.high) return integer ? AddJsonInteger(parts) : AddJsonNumber(parts);
  if (integer) return AddIntegers(parts, bounds);
  auto numbers = AddNumbers(parts, bounds);
  if (numbers) return numbers;
  return RefuseKeyword(path, bounds.low ? "minimum" : "maximum", numbers.error().message);
}

}  // namespace quire
