// text/jinja/python/operators.h -- Python's operators and comparisons on Values.
//
// Errors  what Python raises: TypeError for kinds that do not go together, UndefinedError for an
//         undefined operand, ZeroDivisionError, OverflowError beyond 127 bits.
#pragma once

#include <compare>

#include "text/jinja/python/value.h"

namespace quire::jinja {

bool Truth(const Value& value);
bool Equal(const Value& a, const Value& b);
bool Identical(const Value& a, const Value& b);  // `is`, as far as a template can rely on it
// a < b, a <= b, a > b, a >= b by `op`; for sorting, "<".
bool Compare(std::string_view op, const Value& a, const Value& b);
bool Contains(const Value& container, const Value& item);  // item in container

Value Add(const Value& a, const Value& b);
Value Subtract(const Value& a, const Value& b);
Value Multiply(const Value& a, const Value& b);
Value Divide(const Value& a, const Value& b);
Value FloorDivide(const Value& a, const Value& b);
Value Modulo(const Value& a, const Value& b);
Value Power(const Value& a, const Value& b);
Value Negate(const Value& value);
Value Plus(const Value& value);

// Raises the error of using an undefined value, if it is one.
void RequireDefined(const Value& value);
[[noreturn]] void RaiseUndefined(const Value& undefined);

// Text as Markup holds it: &, <, >, ' and " written as entities.
std::string EscapeHtml(std::string_view text);
Value Escape(const Value& value);  // markupsafe.escape: Markup as it is, else escaped str()

}  // namespace quire::jinja
