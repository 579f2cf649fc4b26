// Python's + - * / // % ** on Values (operators.h).
#include <cmath>
#include <limits>

#include "text/jinja/python/error.h"
#include "text/jinja/python/format.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/repr.h"

namespace quire::jinja {
namespace {

[[noreturn]] void RaiseOperands(std::string_view op, const Value& a, const Value& b) {
  Raise(Fault::kType, "unsupported operand type(s) for " + std::string(op) + ": '" + TypeName(a) +
                          "' and '" + TypeName(b) + "'");
}

[[noreturn]] void RaiseOverflow() { Raise(Fault::kOverflow, "integer too large"); }

void RequireNumbers(std::string_view op, const Value& a, const Value& b) {
  RequireDefined(a);
  RequireDefined(b);
  if (!a.is_number() || !b.is_number()) RaiseOperands(op, a, b);
}

bool Integral(const Value& a, const Value& b) { return a.is_integral() && b.is_integral(); }

Int FloorQuotient(Int a, Int b) {
  const Int quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Int FloorRemainder(Int a, Int b) {
  const Int remainder = a % b;
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

double FloorRemainder(double a, double b) {
  const double remainder = std::fmod(a, b);
  if (remainder == 0) return std::copysign(0.0, b);
  return (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

double FloorQuotient(double a, double b) {
  const double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0 && (b < 0) != (remainder < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

Value Repeat(const Value& value, Int times) {
  const auto count = static_cast<size_t>(std::max<Int>(times, 0));
  const size_t each =
      value.is(Kind::kString) ? value.str().size() : value.items().size() * sizeof(Value);
  if (each != 0 && times > std::numeric_limits<int32_t>::max()) {
    Raise(Fault::kLimit, "the template needs too much memory");
  }
  if (value.is(Kind::kString)) {
    ChargeBytes(each * count);
    std::string text;
    text.reserve(each * count);
    for (size_t i = 0; each != 0 && i < count; ++i) text += value.str();
    return Value::String(std::move(text), value.text().markup);
  }
  ChargeBytes(each * count);
  std::vector<Value> items;
  for (size_t i = 0; each != 0 && i < count; ++i) {
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return value.is(Kind::kList) ? Value::List(std::move(items)) : Value::Tuple(std::move(items));
}

Value AddText(const Value& a, const Value& b) {
  const bool markup = a.text().markup || b.text().markup;
  const Value left = markup ? Escape(a) : a;
  const Value right = markup ? Escape(b) : b;
  ChargeBytes(left.str().size() + right.str().size());
  return Value::String(left.str() + right.str(), markup);
}

Value PowerOfInts(Int base, Int exponent) {
  Int result = 1;
  if (base == 0 || base == 1) return Value::Integer(exponent == 0 ? 1 : base);
  if (base == -1) return Value::Integer(exponent % 2 == 0 ? 1 : -1);
  if (exponent > 127) RaiseOverflow();
  for (Int i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) RaiseOverflow();
  }
  return Value::Integer(result);
}

}  // namespace

Value Add(const Value& a, const Value& b) {
  RequireDefined(a);
  RequireDefined(b);
  if (Integral(a, b)) {
    Int sum;
    if (__builtin_add_overflow(a.integer(), b.integer(), &sum)) RaiseOverflow();
    return Value::Integer(sum);
  }
  if (a.is_number() && b.is_number()) return Value::Float(a.number() + b.number());
  if (a.is(Kind::kString) && b.is(Kind::kString)) return AddText(a, b);
  if (a.is_sequence() && a.kind() == b.kind()) {
    std::vector<Value> items;
    ChargeBytes((a.items().size() + b.items().size()) * sizeof(Value));
    items.reserve(a.items().size() + b.items().size());
    items.insert(items.end(), a.items().begin(), a.items().end());
    items.insert(items.end(), b.items().begin(), b.items().end());
    return a.is(Kind::kList) ? Value::List(std::move(items)) : Value::Tuple(std::move(items));
  }
  if (a.is(Kind::kString)) {
    Raise(Fault::kType, "can only concatenate str (not \"" + TypeName(b) + "\") to str");
  }
  if (a.is_sequence()) {
    Raise(Fault::kType, "can only concatenate " + TypeName(a) + " (not \"" + TypeName(b) +
                            "\") to " + TypeName(a));
  }
  RaiseOperands("+", a, b);
}

Value Subtract(const Value& a, const Value& b) {
  RequireNumbers("-", a, b);
  if (!Integral(a, b)) return Value::Float(a.number() - b.number());
  Int difference;
  if (__builtin_sub_overflow(a.integer(), b.integer(), &difference)) RaiseOverflow();
  return Value::Integer(difference);
}

Value Multiply(const Value& a, const Value& b) {
  RequireDefined(a);
  RequireDefined(b);
  const auto repeatable = [](const Value& v) { return v.is_sequence() || v.is(Kind::kString); };
  if (repeatable(a) && b.is_integral()) return Repeat(a, b.integer());
  if (repeatable(b) && a.is_integral()) return Repeat(b, a.integer());
  RequireNumbers("*", a, b);
  if (!Integral(a, b)) return Value::Float(a.number() * b.number());
  Int product;
  if (__builtin_mul_overflow(a.integer(), b.integer(), &product)) RaiseOverflow();
  return Value::Integer(product);
}

Value Divide(const Value& a, const Value& b) {
  RequireNumbers("/", a, b);
  if (b.number() == 0) Raise(Fault::kZeroDivision, "division by zero");
  return Value::Float(a.number() / b.number());
}

Value FloorDivide(const Value& a, const Value& b) {
  RequireNumbers("//", a, b);
  if (b.number() == 0) Raise(Fault::kZeroDivision, "integer division or modulo by zero");
  if (!Integral(a, b)) return Value::Float(FloorQuotient(a.number(), b.number()));
  if (b.integer() == -1) return Negate(a);
  return Value::Integer(FloorQuotient(a.integer(), b.integer()));
}

Value Modulo(const Value& a, const Value& b) {
  if (a.is(Kind::kString)) return FormatPercent(a, b);
  RequireNumbers("%", a, b);
  if (b.number() == 0) Raise(Fault::kZeroDivision, "integer modulo by zero");
  if (!Integral(a, b)) return Value::Float(FloorRemainder(a.number(), b.number()));
  if (b.integer() == -1) return Value::Integer(0);
  return Value::Integer(FloorRemainder(a.integer(), b.integer()));
}

Value Power(const Value& a, const Value& b) {
  RequireNumbers("** or pow()", a, b);
  if (Integral(a, b) && b.integer() >= 0) return PowerOfInts(a.integer(), b.integer());
  if (a.number() == 0 && b.number() < 0) {
    Raise(Fault::kZeroDivision, "0.0 cannot be raised to a negative power");
  }
  const double result = std::pow(a.number(), b.number());
  if (std::isnan(result) && !std::isnan(a.number()) && !std::isnan(b.number())) {
    Raise(Fault::kValue, "complex numbers are not supported");
  }
  if (std::isinf(result) && !std::isinf(a.number()) && !std::isinf(b.number())) {
    Raise(Fault::kOverflow, "numerical result out of range");
  }
  return Value::Float(result);
}

Value Negate(const Value& value) {
  RequireDefined(value);
  if (value.is(Kind::kFloat)) return Value::Float(-value.number());
  if (!value.is_integral()) {
    Raise(Fault::kType, "bad operand type for unary -: '" + TypeName(value) + "'");
  }
  Int result;
  if (__builtin_sub_overflow(Int{0}, value.integer(), &result)) RaiseOverflow();
  return Value::Integer(result);
}

Value Plus(const Value& value) {
  RequireDefined(value);
  if (value.is(Kind::kFloat)) return value;
  if (value.is_integral()) return Value::Integer(value.integer());
  Raise(Fault::kType, "bad operand type for unary +: '" + TypeName(value) + "'");
}

}  // namespace quire::jinja
