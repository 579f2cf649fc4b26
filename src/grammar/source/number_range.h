// grammar/source/number_range.h -- decimal numbers between two bounds, as parts.
//
// Exact: every text is within the bounds, and every number within them that has few enough digits
// has a text. Bounded numbers are written without exponents and, so that the order of decimals is
// that of doubles, with at most 15 significant digits and 9 behind the point.
//
// Threads  none. Cost: the digits of the bounds squared, in parts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "grammar/parts.h"

namespace quire {

// A decimal: sign, digits before and behind the point, no needless zeros ("0.5" -> "0", "5").
struct Decimal {
  bool negative = false;
  std::string whole = "0";
  std::string fraction;

  bool operator==(const Decimal&) const = default;
};

Decimal DecimalOf(int64_t value);
Decimal DecimalOf(uint64_t value);
Decimal DecimalOf(double value);  // finite; the shortest that reads as it

bool IsBelow(const Decimal& a, const Decimal& b);

struct NumberBounds {
  struct Bound {
    Decimal value;
    bool open = false;  // the value itself is out
  };
  std::optional<Bound> low;
  std::optional<Bound> high;

  void RaiseLow(const Bound& bound);  // the stricter of the two stays
  void CutHigh(const Bound& bound);
};

// Never() of `parts` if there is no number within the bounds.
Part AddIntegers(Parts& parts, const NumberBounds& bounds);

// Refused: bounds that both have 15 digits or more before the point.
Result<Part> AddNumbers(Parts& parts, const NumberBounds& bounds);

}  // namespace quire
