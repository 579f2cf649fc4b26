// text/jinja/runtime_objects.h -- the objects that templates work with beside data: loop,
// namespace, cycler, joiner.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "text/jinja/python/objects.h"
#include "text/jinja/python/value.h"

namespace quire::jinja {

// namespace(...): the one thing that a template can change from inside a loop.
struct Namespace : Object {
  std::string TypeName() const override { return "TemplateNamespace"; }
  std::string Repr() const override;
  Value Attribute(std::string_view name) const override;
  // Names that begin with an underscore are a SecurityError.
  void Set(const std::string& name, Value value);
  void Clear() { attributes_.clear(); }

 private:
  std::vector<std::pair<std::string, Value>> attributes_;
  mutable bool writing_ = false;  // inside Repr: a namespace may hold itself
};

// The special variable `loop`.
struct LoopContext : Object {
  using Recurse = std::function<Value(const Value& iterable, Int depth)>;
  LoopContext(const Value& iterable, std::shared_ptr<Iterator> iterator, Int depth);
  bool Next(Value* item);
  std::string TypeName() const override { return "LoopContext"; }
  std::string Repr() const override;
  Value Attribute(std::string_view name) const override;
  bool Callable() const override { return true; }
  bool Call(Arguments& arguments, Value* result) override;
  Value Length() const override;
  Recurse recurse;  // empty unless the loop is recursive

 private:
  bool Peek() const;
  Value Cycle(const Arguments& arguments) const;
  Value Changed(const Arguments& arguments) const;
  Value Neighbour(std::string_view name) const;

  const Value iterable_;
  const std::shared_ptr<Iterator> iterator_;
  const Int depth0_;
  Int index0_ = -1;
  Value before_;
  Value current_;
  mutable std::vector<Value> ahead_;  // items taken early, for last, nextitem and length
  mutable size_t ahead_begin_ = 0;
  mutable Int length_ = -1;
  mutable Value last_changed_;
  std::weak_ptr<LoopContext> self_;
  friend std::shared_ptr<LoopContext> NewLoop(const Value&, std::shared_ptr<Iterator>, Int);
};

std::shared_ptr<LoopContext> NewLoop(const Value& iterable, std::shared_ptr<Iterator> iterator,
                                     Int depth);

// cycler(...) and joiner(...).
Value NewCycler(const Arguments& arguments);
Value NewJoiner(const Arguments& arguments);

// What dict(...) and namespace(...) make of their arguments.
std::shared_ptr<Dict> MakeDict(const Arguments& arguments);

}  // namespace quire::jinja
