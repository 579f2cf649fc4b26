#include "text/jinja/python/access.h"

#include <algorithm>
#include <array>

#include "text/jinja/python/error.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/python/unicode.h"

namespace quire::jinja {
namespace {

// Attributes that every Python object has, all of them out of bounds.
bool IsHiddenEverywhere(std::string_view name) {
  constexpr std::array<std::string_view, 24> kNames = {"__class__",
                                                       "__delattr__",
                                                       "__dir__",
                                                       "__doc__",
                                                       "__eq__",
                                                       "__format__",
                                                       "__ge__",
                                                       "__getattribute__",
                                                       "__gt__",
                                                       "__getstate__",
                                                       "__hash__",
                                                       "__init__",
                                                       "__le__",
                                                       "__lt__",
                                                       "__ne__",
                                                       "__new__",
                                                       "__reduce__",
                                                       "__repr__",
                                                       "__setattr__",
                                                       "__sizeof__",
                                                       "__str__",
                                                       "__subclasshook__",
                                                       "__init_subclass__",
                                                       "__reduce_ex__"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

bool ChangesContainer(const Value& object, std::string_view name) {
  constexpr std::array<std::string_view, 8> kList = {"append", "clear", "pop",    "reverse",
                                                     "insert", "sort",  "extend", "remove"};
  constexpr std::array<std::string_view, 5> kDict = {"clear", "pop", "popitem", "setdefault",
                                                     "update"};
  if (object.is(Kind::kList)) return std::find(kList.begin(), kList.end(), name) != kList.end();
  if (object.is(Kind::kDict)) return std::find(kDict.begin(), kDict.end(), name) != kDict.end();
  return false;
}

Value NumberAttribute(const Value& number, std::string_view name) {
  if (name == "real") return Plus(number);
  if (name == "imag") return number.is(Kind::kFloat) ? Value::Float(0) : Value::Integer(0);
  if (number.is(Kind::kFloat)) {
    if (name != "is_integer") return {};
    return NewMethod("is_integer", number, [](const Value& self, Arguments&) {
      return Value::Bool(self.number() == static_cast<double>(static_cast<Int>(self.number())));
    });
  }
  if (name == "numerator") return Plus(number);
  if (name == "denominator") return Value::Integer(1);
  if (name != "bit_length") return {};
  return NewMethod("bit_length", number, [](const Value& self, Arguments&) {
    Int bits = 0;
    for (Int rest = self.integer(); rest != 0; rest /= 2) ++bits;
    return Value::Integer(bits);
  });
}

// getattr(): kMissing where Python raises AttributeError.
Value PythonAttribute(const Value& object, const std::string& name) {
  switch (object.kind()) {
    case Kind::kUndefined:
      RaiseUndefined(object);
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      return NumberAttribute(object, name);
    case Kind::kString:
      return StringMethod(object, name);
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
      return ContainerMethod(object, name);
    case Kind::kObject: {
      Value found = object.object().Attribute(name);
      if (!found.is(Kind::kMissing)) return found;
      return object.object_as<Range>() != nullptr ? ContainerMethod(object, name) : Value();
    }
    default:
      return {};
  }
}

// The attribute as the sandbox shows it, or kMissing.
Value SandboxedAttribute(const Value& object, const std::string& name) {
  if (IsHiddenEverywhere(name) || ChangesContainer(object, name)) {
    return Value::UndefinedIn(object, Value::String(name), true);
  }
  Value found = PythonAttribute(object, name);
  if (!found.is(Kind::kMissing) && name.starts_with("_")) {
    return Value::UndefinedIn(object, Value::String(name), true);
  }
  return found;
}

// object[key] by the type's own rules: kMissing for TypeError and LookupError.
Value PythonItem(const Value& object, const Value& key) {
  if (object.is(Kind::kUndefined)) RaiseUndefined(object);
  if (object.is(Kind::kDict)) {
    if (key.is(Kind::kList) || key.is(Kind::kDict)) return {};
    const Value* found = object.dict().Find(key);
    return found == nullptr ? Value() : *found;
  }
  const Range* const range = object.object_as<Range>();
  if (object.is(Kind::kObject) && range == nullptr) return object.object().Item(key);
  if (!key.is_integral()) return {};
  const std::optional<Int> length =
      object.is_sequence() || object.is(Kind::kString) || range != nullptr ? LengthOf(object)
                                                                           : std::nullopt;
  if (!length) return {};
  const Int index = key.integer() < 0 ? key.integer() + *length : key.integer();
  if (index < 0 || index >= *length) return {};
  if (range != nullptr) return Value::Integer(range->At(index));
  if (object.is_sequence()) return object.items()[static_cast<size_t>(index)];
  const Text& text = object.text();
  const size_t offset = text.ascii() ? static_cast<size_t>(index)
                                     : OffsetOfIndex(text.text, static_cast<size_t>(index));
  return Value::String(text.text.substr(offset, DecodeAt(text.text, offset).size), text.markup);
}

// Start, step and count of a slice over `length` items, as Python's slice.indices().
struct Stride {
  Int start;
  Int step;
  Int count;
};

Int Bound(const Value& bound, Int length, Int when_absent, bool backwards) {
  if (bound.is(Kind::kNone)) return when_absent;
  Int index = AsIndex(bound);
  if (index < 0) index += length;
  const Int low = backwards ? -1 : 0;
  const Int high = backwards ? length - 1 : length;
  return std::clamp(index, low, std::max(low, high));
}

Stride Resolve(const SliceBounds& bounds, Int length) {
  const Int step = bounds.step.is(Kind::kNone) ? 1 : AsIndex(bounds.step);
  if (step == 0) Raise(Fault::kValue, "slice step cannot be zero");
  const bool backwards = step < 0;
  const Int start = Bound(bounds.start, length, backwards ? length - 1 : 0, backwards);
  const Int stop = Bound(bounds.stop, length, backwards ? -1 : length, backwards);
  if (backwards) return {start, step, start > stop ? (start - stop - 1) / -step + 1 : 0};
  return {start, step, start < stop ? (stop - start - 1) / step + 1 : 0};
}

Value SliceText(const Text& text, const Stride& stride) {
  const auto start = static_cast<size_t>(std::max<Int>(stride.start, 0));
  const auto count = static_cast<size_t>(stride.count);
  if (stride.step == 1) {
    const size_t from = text.ascii() ? start : OffsetOfIndex(text.text, start);
    const std::string_view rest =
        std::string_view(text.text).substr(std::min(from, text.text.size()));
    const size_t size = text.ascii() ? count : OffsetOfIndex(rest, count);
    return Value::String(std::string(rest.substr(0, size)), text.markup);
  }
  const std::vector<uint32_t> letters = Decode(text.text);
  std::string out;
  Int at = stride.start;
  for (Int i = 0; i < stride.count; ++i, at += stride.step) {
    AppendCodePoint(letters[static_cast<size_t>(at)], &out);
  }
  return Value::String(std::move(out), text.markup);
}

std::shared_ptr<Iterator> IterateText(const Value& text) {
  return NewIterator("str_iterator", text, [text, offset = size_t{0}](Value* item) mutable {
    const std::string& whole = text.str();
    if (offset >= whole.size()) return false;
    const size_t size = DecodeAt(whole, offset).size;
    *item = Value::String(whole.substr(offset, size));
    offset += size;
    return true;
  });
}

}  // namespace

Int AsIndex(const Value& value) {
  if (value.is_integral()) return value.integer();
  RequireDefined(value);
  Raise(Fault::kType, "'" + TypeName(value) + "' object cannot be interpreted as an integer");
}

Value GetAttribute(const Value& object, const std::string& name) {
  Value found = SandboxedAttribute(object, name);
  if (!found.is(Kind::kMissing)) return found;
  const Value key = Value::String(name);
  found = PythonItem(object, key);
  return found.is(Kind::kMissing) ? Value::UndefinedIn(object, key) : found;
}

bool HasAttribute(const Value& object, const std::string& name) {
  if (IsHiddenEverywhere(name) || ChangesContainer(object, name)) return true;
  return !PythonAttribute(object, name).is(Kind::kMissing);
}

Value GetItem(const Value& object, const Value& key) {
  Value found = PythonItem(object, key);
  if (found.is(Kind::kMissing) && key.is(Kind::kString)) {
    found = SandboxedAttribute(object, key.str());
  }
  return found.is(Kind::kMissing) ? Value::UndefinedIn(object, key) : found;
}

Value GetSlice(const Value& object, const SliceBounds& bounds) {
  RequireDefined(object);
  if (object.is(Kind::kString)) {
    const Text& text = object.text();
    return SliceText(text, Resolve(bounds, static_cast<Int>(text.length)));
  }
  if (const Range* range = object.object_as<Range>()) {
    const Stride stride = Resolve(bounds, range->length);
    const Int first = range->At(stride.start);
    const Int step = range->step * stride.step;
    return Value::Of(std::make_shared<Range>(first, first + step * stride.count, step));
  }
  if (!object.is_sequence()) {
    Raise(Fault::kType, object.is(Kind::kDict)
                            ? "unhashable type: 'slice'"
                            : "'" + TypeName(object) + "' object is not subscriptable");
  }
  const Stride stride = Resolve(bounds, static_cast<Int>(object.items().size()));
  ChargeBytes(static_cast<size_t>(stride.count) * sizeof(Value));
  std::vector<Value> items;
  items.reserve(static_cast<size_t>(stride.count));
  Int at = stride.start;
  for (Int i = 0; i < stride.count; ++i, at += stride.step) {
    items.push_back(object.items()[static_cast<size_t>(at)]);
  }
  return object.is(Kind::kList) ? Value::List(std::move(items)) : Value::Tuple(std::move(items));
}

bool IsIterable(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kString:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
      return true;
    case Kind::kObject: {
      std::shared_ptr<Iterator> iterator;
      return value.object().Iterate(&iterator);
    }
    default:
      return false;
  }
}

std::shared_ptr<Iterator> MakeIterator(const Value& value) {
  std::shared_ptr<Iterator> iterator;
  switch (value.kind()) {
    case Kind::kUndefined:
      return NewIterator("generator", Value(), [](Value*) { return false; });
    case Kind::kString:
      return IterateText(value);
    case Kind::kList:
    case Kind::kTuple:
      return NewIterator(TypeName(value) + "_iterator", value,
                         [value, i = size_t{0}](Value* item) mutable {
                           if (i >= value.items().size()) return false;
                           *item = value.items()[i++];
                           return true;
                         });
    case Kind::kDict: {
      DictView(value, DictView::Part::kKeys).Iterate(&iterator);
      return iterator;
    }
    case Kind::kObject:
      if (value.object().Iterate(&iterator)) return iterator;
      break;
    default:
      break;
  }
  Raise(Fault::kType, "'" + TypeName(value) + "' object is not iterable");
}

std::vector<Value> Collect(const Value& value) {
  if (value.is_sequence()) {
    ChargeBytes(value.items().size() * sizeof(Value));
    CountSteps(value.items().size() / 16);
    return value.items();
  }
  std::vector<Value> items;
  const std::shared_ptr<Iterator> iterator = MakeIterator(value);
  for (Value item; iterator->Next(&item);) {
    ChargeBytes(sizeof(Value));
    items.push_back(item);
  }
  return items;
}

std::optional<Int> LengthOf(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      return static_cast<Int>(value.text().length);
    case Kind::kList:
    case Kind::kTuple:
      return static_cast<Int>(value.items().size());
    case Kind::kDict:
      return static_cast<Int>(value.dict().entries.size());
    case Kind::kObject: {
      const Value length = value.object().Length();
      if (length.is(Kind::kMissing)) return std::nullopt;
      return length.integer();
    }
    default:
      return std::nullopt;
  }
}

Int Length(const Value& value) {
  if (const std::optional<Int> length = LengthOf(value)) return *length;
  Raise(Fault::kType, "object of type '" + TypeName(value) + "' has no len()");
}

Value Call(const Value& callable, Arguments& arguments) {
  RequireDefined(callable);
  Value result;
  const Nesting nesting;
  if (callable.is(Kind::kObject) && callable.object().Call(arguments, &result)) return result;
  Raise(Fault::kType, "'" + TypeName(callable) + "' object is not callable");
}

bool IsCallable(const Value& value) {
  // Undefined has a __call__ (that fails), so Python's callable() says yes.
  if (value.is(Kind::kUndefined)) return true;
  return value.is(Kind::kObject) && value.object().Callable();
}

}  // namespace quire::jinja
