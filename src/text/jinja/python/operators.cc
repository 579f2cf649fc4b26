#include "text/jinja/python/operators.h"

#include <cmath>

#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/objects.h"
#include "text/jinja/python/repr.h"

namespace quire::jinja {
namespace {

int Rank(const Value& value) { return value.is_number() ? 0 : static_cast<int>(value.kind()); }

bool EqualNumbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
  return a.number() == b.number();
}

bool EqualItems(const Value& a, const Value& b) {
  if (a.items().size() != b.items().size()) return false;
  for (size_t i = 0; i < a.items().size(); ++i) {
    if (!Equal(a.items()[i], b.items()[i])) return false;
  }
  return true;
}

bool EqualDicts(const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const Dict::Entry& entry : a.entries) {
    const Value* other = b.Find(entry.first);
    if (other == nullptr || !Equal(entry.second, *other)) return false;
  }
  return true;
}

template <typename T>
bool Holds(std::string_view op, const T& a, const T& b) {
  if (op == "<") return a < b;
  if (op == "<=") return a <= b;
  if (op == ">") return a > b;
  return a >= b;
}

[[noreturn]] void RaiseOrder(std::string_view op, const Value& a, const Value& b) {
  Raise(Fault::kType, "'" + std::string(op) + "' not supported between instances of '" +
                          TypeName(a) + "' and '" + TypeName(b) + "'");
}

bool CompareItems(std::string_view op, const Value& a, const Value& b) {
  const size_t shorter = std::min(a.items().size(), b.items().size());
  for (size_t i = 0; i < shorter; ++i) {
    if (!Equal(a.items()[i], b.items()[i])) return Compare(op, a.items()[i], b.items()[i]);
  }
  return Holds(op, a.items().size(), b.items().size());
}

}  // namespace

size_t ValueHash::operator()(const Value& value) const {
  switch (value.kind()) {
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      return std::hash<double>{}(value.number());
    case Kind::kString:
      return std::hash<std::string>{}(value.str());
    case Kind::kTuple: {
      size_t hash = 17;
      for (const Value& item : value.items()) hash = hash * 1000003 ^ (*this)(item);
      return hash;
    }
    case Kind::kList:
    case Kind::kDict:
      Raise(Fault::kType, "unhashable type: '" + TypeName(value) + "'");
    case Kind::kObject:
      return std::hash<const void*>{}(value.cell());
    default:
      return static_cast<size_t>(value.kind());
  }
}

bool ValueEqual::operator()(const Value& a, const Value& b) const { return Equal(a, b); }

void RaiseUndefined(const Value& undefined) {
  const Absence& absence = undefined.absence();
  Raise(absence.forbidden ? Fault::kSecurity : Fault::kUndefined, absence.Message());
}

void RequireDefined(const Value& value) {
  if (value.is(Kind::kUndefined)) RaiseUndefined(value);
}

bool Truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.number() != 0;
    case Kind::kString:
      return !value.str().empty();
    case Kind::kList:
    case Kind::kTuple:
      return !value.items().empty();
    case Kind::kDict:
      return !value.dict().entries.empty();
    case Kind::kObject: {
      const Value length = value.object().Length();
      return length.is(Kind::kMissing) || length.integer() != 0;
    }
  }
  return false;
}

bool Equal(const Value& a, const Value& b) {
  if (Rank(a) != Rank(b)) return false;
  CountSteps(1);
  switch (a.kind()) {
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      return EqualNumbers(a, b);
    case Kind::kString:
      return a.str() == b.str();
    case Kind::kList:
    case Kind::kTuple:
      return a.cell() == b.cell() || EqualItems(a, b);
    case Kind::kDict:
      return a.cell() == b.cell() || EqualDicts(a.dict(), b.dict());
    case Kind::kObject: {
      const auto* left = a.object_as<Range>();
      const auto* right = b.object_as<Range>();
      if (left != nullptr && right != nullptr) return left->SameItems(*right);
      return a.cell() == b.cell();
    }
    default:
      return true;
  }
}

bool Identical(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (a.cell() != nullptr && !a.is(Kind::kString)) return a.cell() == b.cell();
  return Equal(a, b);
}

bool Compare(std::string_view op, const Value& a, const Value& b) {
  RequireDefined(a);
  RequireDefined(b);
  CountSteps(1);
  if (a.is_integral() && b.is_integral()) return Holds(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return Holds(op, a.number(), b.number());
  if (a.is(Kind::kString) && b.is(Kind::kString)) return Holds(op, a.str(), b.str());
  if (a.is_sequence() && a.kind() == b.kind()) return CompareItems(op, a, b);
  RaiseOrder(op, a, b);
}

bool Contains(const Value& container, const Value& item) {
  if (container.is(Kind::kString)) {
    if (!item.is(Kind::kString)) {
      Raise(Fault::kType, "'in <string>' requires string as left operand, not " + TypeName(item));
    }
    CountSteps(1 + container.str().size() / 1024);
    return container.str().find(item.str()) != std::string::npos;
  }
  if (container.is(Kind::kDict)) return container.dict().Find(item) != nullptr;
  const std::shared_ptr<Iterator> iterator = MakeIterator(container);
  for (Value each; iterator->Next(&each);) {
    if (Equal(each, item)) return true;
  }
  return false;
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if (c == '"') {
      out += "&#34;";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

Value Escape(const Value& value) {
  if (value.is(Kind::kString) && value.text().markup) return value;
  return Value::String(EscapeHtml(Str(value)), true);
}

}  // namespace quire::jinja
