#include "grammar/source/number_range.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "grammar/source/json_text.h"

namespace quire {
namespace {

constexpr size_t kMaxSignificant = 15;     // decimals of which no two are the same double
constexpr size_t kUnboundedDigits = 9;     // before the point, of a number bounded on one side only
constexpr size_t kMaxBoundedFraction = 9;  // digits behind the point

std::string Plain(double value) {
  char buffer[512];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed);
  return {buffer, end.ptr};
}

Decimal Parse(std::string text) {
  Decimal decimal;
  decimal.negative = text.starts_with('-');
  if (decimal.negative) text.erase(0, 1);
  const size_t point = text.find('.');
  decimal.whole = text.substr(0, point);
  if (point != std::string::npos) decimal.fraction = text.substr(point + 1);
  while (decimal.fraction.ends_with('0')) decimal.fraction.pop_back();
  if (decimal.whole == "0" && decimal.fraction.empty()) decimal.negative = false;
  return decimal;
}

int CompareMagnitude(const Decimal& a, const Decimal& b) {
  if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
  const int whole = a.whole.compare(b.whole);
  return whole != 0 ? whole : a.fraction.compare(b.fraction);
}

// Texts of digits, built from the end; all sets are of plain decimal notation.
class DigitParts {
 public:
  explicit DigitParts(Parts& parts) : parts_(parts) {}

  Part Range(char low, char high) {
    return parts_.OneOf(ByteSet::Range(static_cast<uint8_t>(low), static_cast<uint8_t>(high)));
  }
  Part Any(uint32_t least, uint32_t most) { return parts_.Repeat(Range('0', '9'), least, most); }
  Part All(size_t count) { return Any(static_cast<uint32_t>(count), static_cast<uint32_t>(count)); }

  // Numbers of as many digits as `low` and `high` have.
  Part Between(std::string_view low, std::string_view high) {
    if (low.find_first_not_of('0') == low.npos && high.find_first_not_of('9') == high.npos) {
      return All(low.size());
    }
    if (low[0] == high[0]) {
      return parts_.Sequence({Range(low[0], low[0]), Between(low.substr(1), high.substr(1))});
    }
    const size_t rest = low.size() - 1;
    std::vector<Part> choices = {
        parts_.Sequence({Range(low[0], low[0]), Between(low.substr(1), std::string(rest, '9'))}),
        parts_.Sequence(
            {Range(high[0], high[0]), Between(std::string(rest, '0'), high.substr(1))})};
    if (high[0] - low[0] > 1) {
      choices.push_back(parts_.Sequence(
          {Range(static_cast<char>(low[0] + 1), static_cast<char>(high[0] - 1)), All(rest)}));
    }
    return parts_.Choice(choices);
  }

  // Whole numbers without leading zeros; none if low > high.
  Part Wholes(const std::string& low, const std::string& high) {
    std::vector<Part> choices;
    for (size_t size = low.size(); size <= high.size(); ++size) {
      const std::string first = size == low.size() ? low : "1" + std::string(size - 1, '0');
      const std::string last = size == high.size() ? high : std::string(size, '9');
      if (first <= last) choices.push_back(Between(first, last));
    }
    return parts_.Choice(choices);
  }

  // Digits behind a point, `most` of them at most and maybe none, that as a fraction are above
  // (or at) `low`.
  Part FractionsAbove(std::string_view low, bool open, uint32_t most) {
    if (low.empty()) return open ? NotAllZero(most) : Any(0, most);
    if (most == 0) return parts_.Never();
    std::vector<Part> choices = {
        parts_.Sequence({Range(low[0], low[0]), FractionsAbove(low.substr(1), open, most - 1)})};
    if (low[0] < '9') {
      choices.push_back(
          parts_.Sequence({Range(static_cast<char>(low[0] + 1), '9'), Any(0, most - 1)}));
    }
    return parts_.Choice(choices);
  }

  // And below (or at) `high`.
  Part FractionsBelow(std::string_view high, bool open, uint32_t most) {
    if (high.empty()) return open ? parts_.Never() : parts_.Repeat(Range('0', '0'), 0, most);
    std::vector<Part> choices = {parts_.Empty()};  // `high` has no trailing zeros: it is above 0
    if (most > 0) {
      choices.push_back(parts_.Sequence(
          {Range(high[0], high[0]), FractionsBelow(high.substr(1), open, most - 1)}));
      if (high[0] > '0') {
        choices.push_back(
            parts_.Sequence({Range('0', static_cast<char>(high[0] - 1)), Any(0, most - 1)}));
      }
    }
    return parts_.Choice(choices);
  }

 private:
  Part NotAllZero(uint32_t most) {
    if (most == 0) return parts_.Never();
    std::vector<Part> choices;
    for (uint32_t zeros = 0; zeros < most; ++zeros) {
      choices.push_back(parts_.Sequence(
          {parts_.Literal(std::string(zeros, '0')), Range('1', '9'), Any(0, most - zeros - 1)}));
    }
    return parts_.Choice(choices);
  }

  Parts& parts_;
};

// Adds `by` (1 or -1) to a whole number that stays above 0.
std::string Moved(std::string whole, int by) {
  const char from = by > 0 ? '9' : '0';
  const char to = by > 0 ? '0' : '9';
  size_t at = whole.size();
  while (at > 0 && whole[at - 1] == from) whole[--at] = to;
  if (at == 0) return "1" + whole;
  whole[at - 1] = static_cast<char>(whole[at - 1] + by);
  const size_t first = std::min(whole.find_first_not_of('0'), whole.size() - 1);
  return whole.substr(first);
}

// Magnitudes from `low` to `high`, as they lie on one side of zero.
struct Side {
  Decimal low;
  bool low_open = false;
  Decimal high;
  bool high_open = false;
};

bool IsEmpty(const Side& side) {
  const int order = CompareMagnitude(side.low, side.high);
  return order > 0 || (order == 0 && (side.low_open || side.high_open));
}

// The part of the bounds on one side of zero, up to `furthest` where they have no end. Zero itself
// is positive: it is written without a sign.
std::optional<Side> SideOf(const NumberBounds& bounds, bool negative, const Decimal& furthest) {
  const auto& near = negative ? bounds.high : bounds.low;
  const auto& far = negative ? bounds.low : bounds.high;
  Side side{.low = {}, .low_open = negative, .high = furthest, .high_open = false};
  if (near && near->value.negative == negative) {
    side.low = near->value;
    side.low_open = near->open;
  }
  if (far && far->value.negative != negative) return std::nullopt;
  if (far && CompareMagnitude(far->value, furthest) <= 0) {
    side.high = far->value;
    side.high_open = far->open;
  }
  if (IsEmpty(side)) return std::nullopt;
  return side;
}

// Bounds of at most `digits` digits behind the point, between which the same numbers of so many
// digits lie.
Side Shortened(Side side, size_t digits) {
  const auto cut = [digits](Decimal& decimal) {
    if (decimal.fraction.size() <= digits) return false;
    decimal.fraction.resize(digits);
    while (decimal.fraction.ends_with('0')) decimal.fraction.pop_back();
    return true;
  };
  if (cut(side.low)) side.low_open = true;
  if (cut(side.high)) side.high_open = false;
  return side;
}

Part Wholes(Parts& parts, const Side& side) {
  std::string low = side.low.whole;
  std::string high = side.high.whole;
  if (!side.low.fraction.empty() || side.low_open) low = Moved(low, 1);
  if (side.high.fraction.empty() && side.high_open) {
    if (high == "0") return parts.Never();
    high = Moved(high, -1);
  }
  return DigitParts(parts).Wholes(low, high);
}

// A point and digits, or nothing where the digits may be none.
Part WithPoint(Parts& parts, Part digits, Part at_least_one) {
  const Part with = parts.Sequence({parts.Literal("."), parts.Both(digits, at_least_one)});
  const Part without = parts.Both(digits, parts.Empty());
  return parts.Choice({with, without});
}

Part Numbers(Parts& parts, const Side& side, uint32_t fraction) {
  if (IsEmpty(side)) return parts.Never();
  DigitParts digits(parts);
  const Part some = digits.Any(1, fraction);
  const auto from = digits.FractionsAbove(side.low.fraction, side.low_open, fraction);
  const auto to = digits.FractionsBelow(side.high.fraction, side.high_open, fraction);
  if (side.low.whole == side.high.whole) {
    return parts.Sequence(
        {parts.Literal(side.low.whole), WithPoint(parts, parts.Both(from, to), some)});
  }
  std::vector<Part> choices = {
      parts.Sequence({parts.Literal(side.low.whole), WithPoint(parts, from, some)}),
      parts.Sequence({parts.Literal(side.high.whole), WithPoint(parts, to, some)})};
  const std::string first = Moved(side.low.whole, 1);
  const std::string last = Moved(side.high.whole, -1);
  if (first.size() < last.size() || (first.size() == last.size() && first <= last)) {
    choices.push_back(parts.Sequence(
        {digits.Wholes(first, last), WithPoint(parts, digits.Any(0, fraction), some)}));
  }
  return parts.Choice(choices);
}

template <typename AddSide>
Part BothSides(Parts& parts, const NumberBounds& bounds, const Decimal& furthest,
               const AddSide& add) {
  std::vector<Part> choices;
  if (const auto side = SideOf(bounds, false, furthest)) choices.push_back(add(*side));
  if (const auto side = SideOf(bounds, true, furthest)) {
    choices.push_back(parts.Sequence({parts.Literal("-"), add(*side)}));
  }
  return parts.Choice(choices);
}

}  // namespace

Decimal DecimalOf(int64_t value) { return Parse(std::to_string(value)); }
Decimal DecimalOf(uint64_t value) { return Parse(std::to_string(value)); }
Decimal DecimalOf(double value) { return Parse(Plain(value)); }

bool IsBelow(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative;
  return a.negative ? CompareMagnitude(a, b) > 0 : CompareMagnitude(a, b) < 0;
}

void NumberBounds::RaiseLow(const Bound& bound) {
  if (!low || IsBelow(low->value, bound.value)) {
    low = bound;
  } else if (low->value == bound.value) {
    low->open = low->open || bound.open;
  }
}

void NumberBounds::CutHigh(const Bound& bound) {
  if (!high || IsBelow(bound.value, high->value)) {
    high = bound;
  } else if (high->value == bound.value) {
    high->open = high->open || bound.open;
  }
}

Part AddIntegers(Parts& parts, const NumberBounds& bounds) {
  Decimal furthest;
  furthest.whole = std::string(kMaxIntegerDigits, '9');
  for (const auto& bound : {bounds.low, bounds.high}) {
    if (bound && bound->value.whole.size() == kMaxIntegerDigits + 1) {
      furthest.whole = std::string(kMaxIntegerDigits + 1, '9');  // all of int64
    }
  }
  return BothSides(parts, bounds, furthest, [&](const Side& side) { return Wholes(parts, side); });
}

Result<Part> AddNumbers(Parts& parts, const NumberBounds& bounds) {
  size_t whole = bounds.low && bounds.high ? 1 : kUnboundedDigits;
  size_t least_whole = kMaxSignificant;  // of the bounds
  for (const auto& bound : {bounds.low, bounds.high}) {
    if (!bound) continue;
    const size_t digits = bound->value.whole.size();
    least_whole = std::min(least_whole, digits);
    whole = std::max(whole, std::min(digits, kMaxSignificant - 1));
  }
  if (least_whole >= kMaxSignificant) {
    return Refuse(ErrorCode::kUnsupported, "has more digits than are written");
  }
  const size_t fraction = std::min(kMaxBoundedFraction, kMaxSignificant - whole);
  Decimal furthest;
  furthest.whole = std::string(whole, '9');
  return BothSides(parts, bounds, furthest, [&](const Side& side) {
    return Numbers(parts, Shortened(side, fraction), static_cast<uint32_t>(fraction));
  });
}

}  // namespace quire
