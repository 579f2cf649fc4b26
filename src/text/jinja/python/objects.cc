#include "text/jinja/python/objects.h"

#include "text/jinja/python/error.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/repr.h"

namespace quire::jinja {

Iterator::Iterator(std::string type_name, const Value& source, Pull pull)
    : type_name_(std::move(type_name)), pull_(std::move(pull)) {
  Hold(source);
}

bool Iterator::Next(Value* item) {
  const Nesting nesting;  // an iterator over an iterator over ...
  CountSteps(1);
  return pull_(item);
}

bool Iterator::Iterate(std::shared_ptr<Iterator>* out) {
  *out = self_.lock();
  return true;
}

std::shared_ptr<Iterator> NewIterator(std::string type_name, const Value& source,
                                      Iterator::Pull pull) {
  auto result = std::make_shared<Iterator>(std::move(type_name), source, std::move(pull));
  result->self_ = result;
  return result;
}

Range::Range(Int start_value, Int stop_value, Int step_value)
    : start(start_value), stop(stop_value), step(step_value), length(0) {
  if (step == 0) Raise(Fault::kValue, "range() arg 3 must not be zero");
  if (step > 0 && start < stop) length = (stop - start - 1) / step + 1;
  if (step < 0 && start > stop) length = (start - stop - 1) / -step + 1;
}

bool Range::SameItems(const Range& other) const {
  if (length != other.length) return false;
  if (length == 0) return true;
  return start == other.start && (length == 1 || step == other.step);
}

std::string Range::Repr() const {
  std::string out = "range(" + ReprInt(start) + ", " + ReprInt(stop);
  if (step != 1) out += ", " + ReprInt(step);
  return out + ")";
}

Value Range::Attribute(std::string_view name) const {
  if (name == "start") return Value::Integer(start);
  if (name == "stop") return Value::Integer(stop);
  if (name == "step") return Value::Integer(step);
  return {};
}

bool Range::Iterate(std::shared_ptr<Iterator>* out) {
  *out = NewIterator("range_iterator", Value(),
                     [first = start, by = step, left = length](Value* item) mutable {
                       if (left == 0) return false;
                       --left;
                       *item = Value::Integer(first);
                       first += by;
                       return true;
                     });
  return true;
}

DictView::DictView(Value whole, Part which) : dict(std::move(whole)), part(which) { Hold(dict); }

Value DictView::At(size_t index) const {
  const Dict::Entry& entry = dict.dict().entries[index];
  if (part == Part::kKeys) return entry.first;
  if (part == Part::kValues) return entry.second;
  return Value::Tuple({entry.first, entry.second});
}

std::string DictView::TypeName() const {
  return part == Part::kKeys ? "dict_keys" : part == Part::kValues ? "dict_values" : "dict_items";
}

std::string DictView::Repr() const {
  std::vector<Value> items;
  for (size_t i = 0; i < dict.dict().entries.size(); ++i) items.push_back(At(i));
  return TypeName() + "(" + quire::jinja::Repr(Value::List(std::move(items))) + ")";
}

bool DictView::Iterate(std::shared_ptr<Iterator>* out) {
  const auto self = std::make_shared<DictView>(dict, part);
  *out = NewIterator(TypeName() + "_iterator", dict, [self, i = size_t{0}](Value* item) mutable {
    if (i == self->dict.dict().entries.size()) return false;
    *item = self->At(i++);
    return true;
  });
  return true;
}

Value DictView::Length() const {
  return Value::Integer(static_cast<Int>(dict.dict().entries.size()));
}

bool Function::Call(Arguments& arguments, Value* result) {
  *result = body_(arguments);
  return true;
}

Value NewFunction(std::string name, Function::Body body) {
  return Value::Of(std::make_shared<Function>(std::move(name), std::move(body)));
}

Value NewMethod(std::string name, const Value& self,
                std::function<Value(const Value& self, Arguments&)> body) {
  auto method = std::make_shared<Function>(
      std::move(name),
      [self, body = std::move(body)](Arguments& args) { return body(self, args); });
  method->Hold(self);
  return Value::Of(std::move(method));
}

}  // namespace quire::jinja
