// text/jinja/python/objects.h -- Python objects that are not plain data: iterators, ranges, views
// of dicts, functions and methods.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "text/jinja/python/value.h"

namespace quire::jinja {

// A value that gives its items once, as they are asked for: generators, map(), reversed().
struct Iterator : Object {
  using Pull = std::function<bool(Value*)>;
  // `source` is what it draws from: its depth bounds ours (V2).
  Iterator(std::string type_name, const Value& source, Pull pull);
  bool Next(Value* item);  // false: no more
  std::string TypeName() const override { return type_name_; }
  bool Iterate(std::shared_ptr<Iterator>* out) override;

 private:
  const std::string type_name_;
  Pull pull_;
  std::weak_ptr<Iterator> self_;
  friend std::shared_ptr<Iterator> NewIterator(std::string, const Value&, Pull);
};

std::shared_ptr<Iterator> NewIterator(std::string type_name, const Value& source,
                                      Iterator::Pull pull);

// range(start, stop, step).
struct Range : Object {
  Range(Int start_value, Int stop_value, Int step_value);
  Int At(Int index) const { return start + index * step; }
  bool SameItems(const Range& other) const;
  std::string TypeName() const override { return "range"; }
  std::string Repr() const override;
  Value Attribute(std::string_view name) const override;
  bool Iterate(std::shared_ptr<Iterator>* out) override;
  Value Length() const override { return Value::Integer(length); }
  const Int start, stop, step;
  Int length;
};

// dict.keys(), dict.values(), dict.items().
struct DictView : Object {
  enum class Part { kKeys, kValues, kItems };
  DictView(Value whole, Part which);
  Value At(size_t index) const;
  std::string TypeName() const override;
  std::string Repr() const override;
  bool Iterate(std::shared_ptr<Iterator>* out) override;
  Value Length() const override;
  const Value dict;
  const Part part;
};

// A function, a method bound to its object, or a type that can be called.
struct Function : Object {
  using Body = std::function<Value(Arguments&)>;
  Function(std::string name, Body body) : name_(std::move(name)), body_(std::move(body)) {}
  std::string TypeName() const override { return "builtin_function_or_method"; }
  std::string Repr() const override { return "<function " + name_ + ">"; }
  bool Callable() const override { return true; }
  bool Call(Arguments& arguments, Value* result) override;

 private:
  const std::string name_;
  const Body body_;
};

Value NewFunction(std::string name, Function::Body body);
// As NewFunction; `self` is held and stays alive.
Value NewMethod(std::string name, const Value& self,
                std::function<Value(const Value& self, Arguments&)> body);

}  // namespace quire::jinja
