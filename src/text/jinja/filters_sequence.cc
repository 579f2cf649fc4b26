// Filters on lists and other things with items (registry.h: SequenceFilters).
#include <algorithm>

#include "text/jinja/attribute_path.h"
#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/parameters.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/registry.h"

namespace quire::jinja {
namespace {

Value Default(const Arguments& arguments) {
  const Bound args("default", {"value", "default_value", "boolean"}, 1, arguments);
  const bool absent = args[0].is(Kind::kUndefined) || (args.Flag(2, false) && !Truth(args[0]));
  return absent ? args.Or(1, Value::String("")) : args[0];
}

Value LengthFilter(const Arguments& arguments) {
  const Bound args("length", {"obj"}, 1, arguments);
  return Value::Integer(Length(args[0]));
}

Value First(const Arguments& arguments) {
  const Bound args("first", {"seq"}, 1, arguments);
  Value item;
  if (MakeIterator(args[0])->Next(&item)) return item;
  return Value::UndefinedBecause("No first item, sequence was empty.");
}

// reversed(value): sequences, dicts and their views, but not iterators.
std::vector<Value> Reversed(const Value& value) {
  const bool view = value.object_as<DictView>() != nullptr || value.object_as<Range>() != nullptr;
  if (!value.is_sequence() && !value.is(Kind::kDict) && !value.is(Kind::kString) && !view) {
    // Undefined has a length but, once it is asked for an item, an error.
    if (value.is(Kind::kUndefined)) return {};
    Raise(Fault::kType, "'" + TypeName(value) + "' object is not reversible");
  }
  std::vector<Value> items = Collect(value);
  std::reverse(items.begin(), items.end());
  return items;
}

std::shared_ptr<Iterator> IteratorOver(std::vector<Value> items, std::string type_name) {
  const Value list = Value::List(std::move(items));
  return NewIterator(std::move(type_name), list, [list, i = size_t{0}](Value* item) mutable {
    if (i == list.items().size()) return false;
    *item = list.items()[i++];
    return true;
  });
}

Value Last(const Arguments& arguments) {
  const Bound args("last", {"seq"}, 1, arguments);
  const std::vector<Value> items = Reversed(args[0]);
  return items.empty() ? Value::UndefinedBecause("No last item, sequence was empty.") : items[0];
}

Value Reverse(const Arguments& arguments) {
  const Bound args("reverse", {"value"}, 1, arguments);
  const Value& value = args[0];
  if (value.is(Kind::kString)) {
    SliceBounds bounds;
    bounds.step = Value::Integer(-1);
    return GetSlice(value, bounds);
  }
  if (value.object_as<Iterator>() != nullptr) {
    std::vector<Value> items = Collect(value);
    std::reverse(items.begin(), items.end());
    return Value::List(std::move(items));
  }
  if (!IsIterable(value)) Raise(Fault::kRuntime, "argument must be iterable");
  return Value::Of(IteratorOver(Reversed(value), "list_reverseiterator"));
}

Value Join(const Arguments& arguments) {
  const Bound args("join", {"value", "d", "attribute"}, 1, arguments);
  const std::string separator = args.given(1) ? Str(args[1]) : "";
  const AttributePath path(args[2]);
  std::string out;
  bool first = true;
  const std::shared_ptr<Iterator> iterator = MakeIterator(args[0]);
  for (Value item; iterator->Next(&item); first = false) {
    const std::string text = Str(path.Get(item));
    ChargeBytes(text.size() + separator.size());
    if (!first) out += separator;
    out += text;
  }
  return Value::String(std::move(out));
}

Value ListFilter(const Arguments& arguments) {
  const Bound args("list", {"value"}, 1, arguments);
  return Value::List(Collect(args[0]));
}

Value Batch(const Arguments& arguments) {
  const Bound args("batch", {"value", "linecount", "fill_with"}, 2, arguments);
  const bool fill = args.given(2) && !args[2].is(Kind::kNone);
  auto pull = [source = std::shared_ptr<Iterator>(), value = args[0], count = args[1], fill,
               filler = args[2], pending = Value()](Value* batch) mutable {
    if (!source) source = MakeIterator(value);
    std::vector<Value> items;
    if (!pending.is(Kind::kMissing)) items.push_back(std::exchange(pending, Value()));
    for (Value item; source->Next(&item);) {
      if (count.is_number() && Equal(Value::Integer(static_cast<Int>(items.size())), count)) {
        pending = item;
        *batch = Value::List(std::move(items));
        return true;
      }
      ChargeBytes(sizeof(Value));
      items.push_back(item);
    }
    if (items.empty()) return false;
    const auto have = Value::Integer(static_cast<Int>(items.size()));
    if (fill && Compare("<", have, count)) {
      const Int missing = AsIndex(Subtract(count, have));
      if (missing > 1 << 20) Raise(Fault::kLimit, "the template needs too much memory");
      items.insert(items.end(), static_cast<size_t>(missing), filler);
    }
    *batch = Value::List(std::move(items));
    return true;
  };
  return Value::Of(NewIterator("generator", args[0], std::move(pull)));
}

// `slices` lists of nearly equal length.
std::vector<Value> Slices(const Value& value, Int slices, const Value& filler) {
  const std::vector<Value> items = Collect(value);
  if (slices == 0) Raise(Fault::kZeroDivision, "integer division or modulo by zero");
  std::vector<Value> result;
  if (slices < 0) return result;
  if (slices > 1 << 20) Raise(Fault::kLimit, "the template needs too much memory");
  const auto count = static_cast<size_t>(slices);
  const size_t each = items.size() / count;
  const size_t with_extra = items.size() % count;
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t size = each + (i < with_extra ? 1 : 0);
    std::vector<Value> part(items.begin() + static_cast<ptrdiff_t>(at),
                            items.begin() + static_cast<ptrdiff_t>(at + size));
    at += size;
    const bool fill = !filler.is(Kind::kMissing) && !filler.is(Kind::kNone);
    if (fill && i >= with_extra) part.push_back(filler);
    result.push_back(Value::List(std::move(part)));
  }
  return result;
}

Value SliceFilter(const Arguments& arguments) {
  const Bound args("slice", {"value", "slices", "fill_with"}, 2, arguments);
  auto pull = [value = args[0], slices = args[1], filler = args[2],
               parts = std::shared_ptr<Iterator>()](Value* item) mutable {
    if (!parts) parts = IteratorOver(Slices(value, AsIndex(slices), filler), "generator");
    return parts->Next(item);
  };
  return Value::Of(NewIterator("generator", args[0], std::move(pull)));
}

Value Sum(const Arguments& arguments) {
  const Bound args("sum", {"iterable", "attribute", "start"}, 1, arguments);
  const AttributePath path(args[1]);
  Value total = args.Or(2, Value::Integer(0));
  if (total.is(Kind::kString)) Raise(Fault::kType, "sum() can't sum strings");
  const std::shared_ptr<Iterator> iterator = MakeIterator(args[0]);
  for (Value item; iterator->Next(&item);) total = Add(total, path.Get(item));
  return total;
}

Value Random(const Arguments& arguments) {
  const Bound args("random", {"seq"}, 1, arguments);
  Raise(Fault::kRuntime, "the filter 'random' has no place in a chat template");
}

Value Attr(const Arguments& arguments) {
  const Bound args("attr", {"obj", "name"}, 2, arguments);
  const std::string& name = args.String(1);
  if (!HasAttribute(args[0], name)) return Value::UndefinedIn(args[0], args[1]);
  return GetAttribute(args[0], name);
}

}  // namespace

const std::vector<NamedFilter>& SequenceFilters() {
  static const std::vector<NamedFilter> filters = {
      {"attr", Attr},           {"batch", Batch},     {"count", LengthFilter}, {"d", Default},
      {"default", Default},     {"first", First},     {"join", Join},          {"last", Last},
      {"length", LengthFilter}, {"list", ListFilter}, {"random", Random},      {"reverse", Reverse},
      {"slice", SliceFilter},   {"sum", Sum},
  };
  return filters;
}

}  // namespace quire::jinja
