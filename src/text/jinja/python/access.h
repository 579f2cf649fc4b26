// text/jinja/python/access.h -- how a template reaches into values: attributes, items, slices,
// iteration, length, calls.
//
// Attributes and items follow the sandbox: what changes a list or dict, and what begins with an
// underscore, is an undefined value whose use is a SecurityError.
#pragma once

#include <memory>
#include <optional>

#include "text/jinja/python/objects.h"
#include "text/jinja/python/value.h"

namespace quire::jinja {

Value GetAttribute(const Value& object, const std::string& name);  // object.name
Value GetItem(const Value& object, const Value& key);              // object[key]
bool HasAttribute(const Value& object, const std::string& name);   // Python's, not items

// Each bound is kNone when left out.
struct SliceBounds {
  Value start = Value::None();
  Value stop = Value::None();
  Value step = Value::None();
};
Value GetSlice(const Value& object, const SliceBounds& bounds);

std::shared_ptr<Iterator> MakeIterator(
    const Value& value);  // iter(value); TypeError if it has none
bool IsIterable(const Value& value);
std::vector<Value> Collect(const Value& value);   // list(value)
std::optional<Int> LengthOf(const Value& value);  // len(value), or nothing where Python has none
Int Length(const Value& value);                   // len(value), TypeError where Python has none

Value Call(const Value& callable, Arguments& arguments);
bool IsCallable(const Value& value);

// Methods by name, kMissing if the type has none of that name.
Value StringMethod(const Value& text, std::string_view name);
Value ContainerMethod(const Value& container, std::string_view name);

// An index as Python takes one: int or bool, else TypeError.
Int AsIndex(const Value& value);

}  // namespace quire::jinja
