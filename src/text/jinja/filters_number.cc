// Filters on numbers (registry.h: NumberFilters).
#include <cmath>
#include <cstdio>
#include <optional>

#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/parameters.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/python/unicode.h"
#include "text/jinja/registry.h"

namespace quire::jinja {
namespace {

// Digits with single underscores between them, as Python's int() and float() allow.
bool RemoveUnderscores(std::string* text) {
  for (size_t i = 0; i < text->size(); ++i) {
    if ((*text)[i] != '_') continue;
    const auto alnum = [&](size_t at) { return at < text->size() && std::isalnum((*text)[at]); };
    if (i == 0 || !alnum(i - 1) || !alnum(i + 1)) return false;
  }
  std::erase(*text, '_');
  return true;
}

// Decimal digits of other scripts count as digits.
std::string AsciiDigits(std::string_view text) {
  std::string out;
  for (const uint32_t c : Decode(text)) {
    if (c < 0x80 || !IsDecimal(c)) {
      AppendCodePoint(c, &out);
    } else {
      uint32_t zero = c;
      while (zero > 0 && IsDecimal(zero - 1) && c - zero < 9) --zero;
      out.push_back(static_cast<char>('0' + (c - zero) % 10));
    }
  }
  return out;
}

std::optional<Int> ParseInt(std::string_view source, Int base) {
  std::string text = AsciiDigits(StripRight(StripLeft(source)));
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.erase(0, 1);
  }
  const char marker = text.size() > 2 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
  const Int marked = marker == 'x' ? 16 : marker == 'o' ? 8 : marker == 'b' ? 2 : 0;
  if (marked != 0 && (base == 0 || base == marked)) {
    text.erase(0, text[2] == '_' ? 3 : 2);
    base = marked;
  } else if (base == 0) {
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != std::string::npos) {
      return std::nullopt;
    }
    base = 10;
  }
  if (text.empty() || !RemoveUnderscores(&text)) return std::nullopt;
  Int value = 0;
  for (const char c : text) {
    const bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    const int digit = c >= '0' && c <= '9' ? c - '0' : letter ? (c | 0x20) - 'a' + 10 : 99;
    if (digit >= base) return std::nullopt;
    if (__builtin_mul_overflow(value, base, &value) ||
        __builtin_add_overflow(value, Int{digit}, &value)) {
      Raise(Fault::kOverflow, "integer too large");
    }
  }
  return negative ? -value : value;
}

std::optional<double> ParseFloat(std::string_view source) {
  std::string text = AsciiDigits(StripRight(StripLeft(source)));
  if (text.empty() || !RemoveUnderscores(&text)) return std::nullopt;
  const size_t sign = text[0] == '-' || text[0] == '+' ? 1 : 0;
  const std::string word = ToLower(std::string_view(text).substr(sign));
  if (word == "inf" || word == "infinity") return text[0] == '-' ? -INFINITY : INFINITY;
  if (word == "nan") return NAN;
  if (word.find_first_not_of("0123456789.e+-") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != 0) return std::nullopt;
  return value;
}

// float(value), or nothing where Python raises TypeError or ValueError.
std::optional<double> ToFloat(const Value& value) {
  RequireDefined(value);
  if (value.is_number()) return value.number();
  if (value.is(Kind::kString)) return ParseFloat(value.str());
  return std::nullopt;
}

std::optional<Int> Truncated(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  if (std::fabs(value) > 1e38) Raise(Fault::kOverflow, "integer too large");
  return static_cast<Int>(value);
}

Value ToInt(const Arguments& arguments) {
  const Bound args("int", {"value", "default", "base"}, 1, arguments);
  const Value& value = args[0];
  RequireDefined(value);
  if (value.is_integral()) return Value::Integer(value.integer());
  if (value.is(Kind::kString)) {
    const Int base = args.Integer(2, 10);
    const bool valid = base == 0 || (base >= 2 && base <= 36);
    const std::optional<Int> parsed = valid ? ParseInt(value.str(), base) : std::nullopt;
    if (parsed) return Value::Integer(*parsed);
  } else if (value.is(Kind::kFloat) && std::isinf(value.number())) {
    Raise(Fault::kOverflow, "cannot convert float infinity to integer");
  }
  const std::optional<double> number = ToFloat(value);
  const std::optional<Int> result = number ? Truncated(*number) : std::nullopt;
  return result ? Value::Integer(*result) : args.Or(1, Value::Integer(0));
}

Value ToFloatFilter(const Arguments& arguments) {
  const Bound args("float", {"value", "default"}, 1, arguments);
  const std::optional<double> number = ToFloat(args[0]);
  return number ? Value::Float(*number) : args.Or(1, Value::Float(0));
}

Value Abs(const Arguments& arguments) {
  const Bound args("abs", {"x"}, 1, arguments);
  const Value& value = args[0];
  if (value.is(Kind::kFloat)) return Value::Float(std::fabs(value.number()));
  if (value.is_integral()) return value.integer() < 0 ? Negate(value) : Plus(value);
  if (value.is(Kind::kUndefined)) Raise(Fault::kType, "bad operand type for abs(): 'Undefined'");
  Raise(Fault::kType, "bad operand type for abs(): '" + TypeName(value) + "'");
}

double RoundFloat(double value, Int digits) {
  if (!std::isfinite(value) || digits > 300) return value;
  if (digits < -310) return std::copysign(0.0, value);
  if (digits < 0) {
    const double unit = std::pow(10.0, static_cast<double>(-digits));
    const double scaled = std::nearbyint(value / unit) * unit;
    return scaled == 0 ? std::copysign(0.0, value) : scaled;
  }
  char buffer[700];
  std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(digits), value);
  return std::strtod(buffer, nullptr);
}

Value RoundInt(Int value, Int digits) {
  if (digits >= 0) return Value::Integer(value);
  if (digits < -38) return Value::Integer(0);
  Int unit = 1;
  for (Int i = 0; i < -digits; ++i) unit *= 10;
  Int quotient = value / unit;
  const Int rest = value % unit < 0 ? -(value % unit) : value % unit;
  const bool up = rest * 2 > unit || (rest * 2 == unit && quotient % 2 != 0);
  if (up) quotient += value < 0 ? -1 : 1;
  return Value::Integer(quotient * unit);
}

Value Round(const Arguments& arguments) {
  const Bound args("round", {"value", "precision", "method"}, 1, arguments);
  const std::string method = args.given(2) ? Str(args[2]) : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    Raise(Fault::kRuntime, "method must be common, ceil or floor");
  }
  const Value& value = args[0];
  RequireDefined(value);
  if (method == "common") {
    if (!value.is_number()) {
      Raise(Fault::kType, "type " + TypeName(value) + " doesn't define __round__ method");
    }
    // round(value, None) rounds to an integer.
    if (args.given(1) && args[1].is(Kind::kNone)) {
      if (value.is_integral()) return Value::Integer(value.integer());
      const std::optional<Int> whole = Truncated(std::nearbyint(value.number()));
      if (!whole) Raise(Fault::kValue, "cannot convert float to integer");
      return Value::Integer(*whole);
    }
    const Int digits = args.Integer(1, 0);
    if (value.is_integral()) return RoundInt(value.integer(), digits);
    return Value::Float(RoundFloat(value.number(), digits));
  }
  const Value scale = Power(Value::Integer(10), args.Or(1, Value::Integer(0)));
  const Value scaled = Multiply(value, scale);
  if (!scaled.is_number()) Raise(Fault::kType, "must be real number, not " + TypeName(scaled));
  const double whole = method == "ceil" ? std::ceil(scaled.number()) : std::floor(scaled.number());
  const std::optional<Int> integer = Truncated(whole);
  if (!integer) Raise(Fault::kValue, "cannot convert float to integer");
  return Divide(Value::Integer(*integer), scale);
}

Value FileSize(const Arguments& arguments) {
  const Bound args("filesizeformat", {"value", "binary"}, 1, arguments);
  const bool binary = args.Flag(1, false);
  const std::optional<double> parsed = ToFloat(args[0]);
  if (!parsed) Raise(Fault::kValue, "could not convert to float: " + Repr(args[0]));
  const double bytes = *parsed;
  const double base = binary ? 1024 : 1000;
  if (bytes == 1) return Value::String("1 Byte");
  if (bytes < base) {
    const std::optional<Int> whole = Truncated(bytes);
    if (!whole) Raise(Fault::kOverflow, "cannot convert float to integer");
    return Value::String(ReprInt(*whole) + " Bytes");
  }
  constexpr std::string_view kLetters = "kMGTPEZY";
  double unit = base;
  size_t i = 0;
  do {
    unit *= base;
  } while (++i < kLetters.size() && bytes >= unit);
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, "%.1f", base * bytes / unit);
  std::string prefix(1, kLetters[i - 1]);
  if (binary) prefix = (prefix == "k" ? "K" : prefix) + "i";
  return Value::String(std::string(buffer) + " " + prefix + "B");
}

}  // namespace

const std::vector<NamedFilter>& NumberFilters() {
  static const std::vector<NamedFilter> filters = {
      {"abs", Abs},     {"filesizeformat", FileSize}, {"float", ToFloatFilter}, {"int", ToInt},
      {"round", Round},
  };
  return filters;
}

}  // namespace quire::jinja
