// What `is` can ask (registry.h: FindTest).
#include <map>

#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/parameters.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/python/unicode.h"
#include "text/jinja/registry.h"

namespace quire::jinja {
namespace {

const Value& Only(const Arguments& arguments) {
  const Bound args("test", {"value"}, 1, arguments);
  return arguments.positional[0];
}

template <Kind kKind>
bool IsKind(const Arguments& arguments) {
  return Only(arguments).is(kKind);
}

bool IsDefined(const Arguments& arguments) { return !Only(arguments).is(Kind::kUndefined); }

template <bool kWanted>
bool IsBoolean(const Arguments& arguments) {
  const Value& value = Only(arguments);
  return value.is(Kind::kBool) && value.boolean() == kWanted;
}

bool IsNumber(const Arguments& arguments) { return Only(arguments).is_number(); }
bool IsCallableTest(const Arguments& arguments) { return IsCallable(Only(arguments)); }
bool IsIterableTest(const Arguments& arguments) { return IsIterable(Only(arguments)); }

bool IsSequence(const Arguments& arguments) {
  const Value& value = Only(arguments);
  if (value.is(Kind::kObject)) {
    return LengthOf(value).has_value() && value.object_as<Range>() != nullptr;
  }
  return LengthOf(value).has_value();  // of an undefined value too
}

template <Int kRemainder>
bool HasParity(const Arguments& arguments) {
  return Equal(Modulo(Only(arguments), Value::Integer(2)), Value::Integer(kRemainder));
}

bool IsDivisibleBy(const Arguments& arguments) {
  const Bound args("divisibleby", {"value", "num"}, 2, arguments);
  return Equal(Modulo(args[0], args[1]), Value::Integer(0));
}

template <bool (*kIs)(uint32_t), bool (*kIsOther)(uint32_t)>
bool IsCase(const Arguments& arguments) {
  bool found = false;
  for (const uint32_t c : Decode(Str(Only(arguments)))) {
    if (kIsOther(c) || IsTitleCase(c)) return false;
    found = found || kIs(c);
  }
  return found;
}

bool IsSame(const Arguments& arguments) {
  const Bound args("sameas", {"value", "other"}, 2, arguments);
  return Identical(args[0], args[1]);
}

bool IsEscaped(const Arguments& arguments) {
  const Value& value = Only(arguments);
  return value.is(Kind::kString) && value.text().markup;
}

bool IsIn(const Arguments& arguments) {
  const Bound args("in", {"value", "seq"}, 2, arguments);
  return Contains(args[1], args[0]);
}

template <bool kEqual>
bool IsEqual(const Arguments& arguments) {
  const Bound args("eq", {"a", "b"}, 2, arguments);
  return Equal(args[0], args[1]) == kEqual;
}

enum Order { kLess, kLessEqual, kGreater, kGreaterEqual };
template <Order kOrder>
bool IsOrdered(const Arguments& arguments) {
  constexpr std::string_view kOps[] = {"<", "<=", ">", ">="};
  const Bound args("order", {"a", "b"}, 2, arguments);
  return Compare(kOps[kOrder], args[0], args[1]);
}

void RequireHashable(const Value& value) { static_cast<void>(ValueHash{}(value)); }

bool IsFilterName(const Arguments& arguments) {
  const Value& value = Only(arguments);
  RequireHashable(value);
  return value.is(Kind::kString) && FindFilter(value.str()) != nullptr;
}

bool IsTestName(const Arguments& arguments) {
  const Value& value = Only(arguments);
  RequireHashable(value);
  return value.is(Kind::kString) && FindTest(value.str()) != nullptr;
}

}  // namespace

TestFunction FindTest(std::string_view name) {
  static const std::map<std::string_view, TestFunction> tests = {
      {"odd", HasParity<1>},
      {"even", HasParity<0>},
      {"divisibleby", IsDivisibleBy},
      {"defined", IsDefined},
      {"undefined", IsKind<Kind::kUndefined>},
      {"filter", IsFilterName},
      {"test", IsTestName},
      {"none", IsKind<Kind::kNone>},
      {"boolean", IsKind<Kind::kBool>},
      {"false", IsBoolean<false>},
      {"true", IsBoolean<true>},
      {"integer", IsKind<Kind::kInt>},
      {"float", IsKind<Kind::kFloat>},
      {"lower", IsCase<IsLower, IsUpper>},
      {"upper", IsCase<IsUpper, IsLower>},
      {"string", IsKind<Kind::kString>},
      {"mapping", IsKind<Kind::kDict>},
      {"number", IsNumber},
      {"sequence", IsSequence},
      {"iterable", IsIterableTest},
      {"callable", IsCallableTest},
      {"sameas", IsSame},
      {"escaped", IsEscaped},
      {"in", IsIn},
      {"==", IsEqual<true>},
      {"eq", IsEqual<true>},
      {"equalto", IsEqual<true>},
      {"!=", IsEqual<false>},
      {"ne", IsEqual<false>},
      {">", IsOrdered<kGreater>},
      {"gt", IsOrdered<kGreater>},
      {"greaterthan", IsOrdered<kGreater>},
      {">=", IsOrdered<kGreaterEqual>},
      {"ge", IsOrdered<kGreaterEqual>},
      {"<", IsOrdered<kLess>},
      {"lt", IsOrdered<kLess>},
      {"lessthan", IsOrdered<kLess>},
      {"<=", IsOrdered<kLessEqual>},
      {"le", IsOrdered<kLessEqual>},
  };
  const auto found = tests.find(name);
  return found == tests.end() ? nullptr : found->second;
}

}  // namespace quire::jinja
