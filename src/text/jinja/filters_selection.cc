// Filters that apply other filters and tests to each item: map, select and kin (registry.h).
#include <functional>

#include "text/jinja/attribute_path.h"
#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/parameters.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/registry.h"

namespace quire::jinja {
namespace {

// Splits off the subject of a filter.
Value TakeSubject(Arguments* arguments) {
  if (arguments->positional.empty()) Raise(Fault::kType, "missing required argument 'value'");
  Value subject = arguments->positional[0];
  arguments->positional.erase(arguments->positional.begin());
  return subject;
}

using Transform = std::function<Value(const Value&)>;

Transform PrepareMap(const Arguments& given) {
  Value attribute;
  Value fallback;
  for (const auto& [name, value] : given.named) {
    if (name == "attribute") attribute = value;
  }
  if (given.positional.empty() && !attribute.is(Kind::kMissing)) {
    for (const auto& [name, value] : given.named) {
      if (name == "default") {
        fallback = value;
      } else if (name != "attribute") {
        Raise(Fault::kRuntime, "Unexpected keyword argument " + ReprText(name));
      }
    }
    AttributePath path(attribute);
    path.set_default(fallback);
    return [path](const Value& item) { return path.Get(item); };
  }
  if (given.positional.empty()) Raise(Fault::kRuntime, "map requires a filter argument");
  return [given](const Value& item) {
    Arguments call = given;
    const FilterFunction filter = RequireFilter(given.positional[0]);
    call.positional[0] = item;
    return filter(call);
  };
}

// map() is lazy: even a wrong filter name is found out with the first item.
Value Map(const Arguments& arguments) {
  Arguments given = arguments;
  const Value subject = TakeSubject(&given);
  auto pull = [subject, given, source = std::shared_ptr<Iterator>(),
               transform = Transform()](Value* item) mutable {
    if (!source) {
      if (!Truth(subject)) return false;
      transform = PrepareMap(given);
      source = MakeIterator(subject);
    }
    if (!source->Next(item)) return false;
    *item = transform(*item);
    return true;
  };
  return Value::Of(NewIterator("generator", subject, std::move(pull)));
}

Transform PrepareSelect(const Arguments& given, bool by_attribute) {
  const size_t skip = by_attribute ? 1 : 0;
  if (by_attribute && given.positional.empty()) {
    Raise(Fault::kRuntime, "Missing parameter for attribute name");
  }
  const AttributePath path(by_attribute ? given.positional[0] : Value());
  if (given.positional.size() <= skip) {
    return [path](const Value& item) { return Value::Bool(Truth(path.Get(item))); };
  }
  Arguments rest = given;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<ptrdiff_t>(skip));
  return [path, rest](const Value& item) {
    Arguments call = rest;
    const Value subject = path.Get(item);
    const TestFunction test = RequireTest(rest.positional[0]);
    call.positional[0] = subject;
    return Value::Bool(test(call));
  };
}

template <bool kWanted, bool kByAttribute>
Value Select(const Arguments& arguments) {
  Arguments given = arguments;
  const Value subject = TakeSubject(&given);
  auto pull = [subject, given, source = std::shared_ptr<Iterator>(),
               test = Transform()](Value* item) mutable {
    if (!source) {
      if (!Truth(subject)) return false;
      test = PrepareSelect(given, kByAttribute);
      source = MakeIterator(subject);
    }
    while (source->Next(item)) {
      if (test(*item).boolean() == kWanted) return true;
    }
    return false;
  };
  return Value::Of(NewIterator("generator", subject, std::move(pull)));
}

}  // namespace

const std::vector<NamedFilter>& SelectionFilters() {
  static const std::vector<NamedFilter> filters = {
      {"map", Map},
      {"reject", Select<false, false>},
      {"rejectattr", Select<false, true>},
      {"select", Select<true, false>},
      {"selectattr", Select<true, true>},
  };
  return filters;
}

}  // namespace quire::jinja
