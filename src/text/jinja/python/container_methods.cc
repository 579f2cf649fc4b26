// Methods of list, tuple, dict and range that leave them as they are (access.h: ContainerMethod).
#include <map>

#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/parameters.h"
#include "text/jinja/python/repr.h"

namespace quire::jinja {
namespace {

using Method = Value (*)(const Value& self, const Arguments& arguments);

Value CountItems(const Value& self, const Arguments& arguments) {
  const Bound args("count", {"value"}, 1, arguments);
  Int count = 0;
  for (const Value& item : Collect(self)) count += Equal(item, args[0]) ? 1 : 0;
  return Value::Integer(count);
}

Value IndexOfItem(const Value& self, const Arguments& arguments) {
  const Bound args("index", {"value", "start", "stop"}, 1, arguments);
  const std::vector<Value> items = Collect(self);
  const auto length = static_cast<Int>(items.size());
  const auto bound = [&](size_t i, Int otherwise) {
    const Int index = args.Integer(i, otherwise);
    return index < 0 ? std::max<Int>(index + length, 0) : index;
  };
  const Int stop = std::min(bound(2, length), length);
  for (Int i = bound(1, 0); i < stop; ++i) {
    if (Equal(items[static_cast<size_t>(i)], args[0])) return Value::Integer(i);
  }
  Raise(Fault::kValue, Repr(args[0]) + " is not in " + TypeName(self));
}

Value CopyMethod(const Value& self, const Arguments& arguments) {
  const Bound args("copy", {}, 0, arguments);
  return self;  // containers never change, so the original does as its copy
}

template <DictView::Part kPart>
Value ViewMethod(const Value& self, const Arguments& arguments) {
  const Bound args("dict method", {}, 0, arguments);
  return Value::Of(std::make_shared<DictView>(self, kPart));
}

Value GetMethod(const Value& self, const Arguments& arguments) {
  const Bound args("get", {"key", "default"}, 1, arguments);
  if (!arguments.named.empty()) Raise(Fault::kType, "dict.get() takes no keyword arguments");
  const Value* found = self.dict().Find(args[0]);
  return found != nullptr ? *found : args.Or(1, Value::None());
}

Value FromKeysMethod(const Value&, const Arguments& arguments) {
  const Bound args("fromkeys", {"iterable", "value"}, 1, arguments);
  auto dict = std::make_shared<Dict>();
  for (const Value& key : Collect(args[0])) dict->Set(key, args.Or(1, Value::None()));
  return Value::Of(std::move(dict));
}

const std::map<std::string_view, Method>& SequenceMethods() {
  static const std::map<std::string_view, Method> methods = {{"count", CountItems},
                                                             {"index", IndexOfItem}};
  return methods;
}

const std::map<std::string_view, Method>& DictMethods() {
  static const std::map<std::string_view, Method> methods = {
      {"copy", CopyMethod},
      {"fromkeys", FromKeysMethod},
      {"get", GetMethod},
      {"items", ViewMethod<DictView::Part::kItems>},
      {"keys", ViewMethod<DictView::Part::kKeys>},
      {"values", ViewMethod<DictView::Part::kValues>},
  };
  return methods;
}

}  // namespace

Value ContainerMethod(const Value& container, std::string_view name) {
  if (container.is_group() && name == "grouper") return container.items()[0];
  if (container.is_group() && name == "list") return container.items()[1];
  Method method = nullptr;
  if (container.is(Kind::kList) && name == "copy") {
    method = CopyMethod;
  } else {
    const auto& methods = container.is(Kind::kDict) ? DictMethods() : SequenceMethods();
    const auto found = methods.find(name);
    if (found == methods.end()) return {};
    method = found->second;
  }
  return NewMethod(std::string(name), container, [method](const Value& self, Arguments& arguments) {
    return method(self, arguments);
  });
}

}  // namespace quire::jinja
