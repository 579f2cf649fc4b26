#include "text/jinja/runtime_objects.h"

#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/parameters.h"
#include "text/jinja/python/repr.h"

namespace quire::jinja {
namespace {

struct Cycler : Object {
  explicit Cycler(std::vector<Value> values) : items(std::move(values)) {
    for (const Value& item : items) Hold(item);
  }
  std::string TypeName() const override { return "Cycler"; }
  Value Attribute(std::string_view name) const override;
  std::vector<Value> items;
  mutable size_t position = 0;
  std::weak_ptr<Cycler> self;
};

Value Cycler::Attribute(std::string_view name) const {
  if (name == "current") return items[position];
  if (name == "items") return Value::Tuple(items);
  if (name == "pos") return Value::Integer(static_cast<Int>(position));
  const Value me = Value::Of(self.lock());
  if (name == "next") {
    return NewMethod("next", me, [](const Value& value, Arguments&) {
      auto* const cycler = value.object_as<Cycler>();
      const Value result = cycler->items[cycler->position];
      cycler->position = (cycler->position + 1) % cycler->items.size();
      return result;
    });
  }
  if (name != "reset") return {};
  return NewMethod("reset", me, [](const Value& value, Arguments&) {
    value.object_as<Cycler>()->position = 0;
    return Value::None();
  });
}

struct Joiner : Object {
  explicit Joiner(Value text) : separator(std::move(text)) { Hold(separator); }
  std::string TypeName() const override { return "Joiner"; }
  bool Callable() const override { return true; }
  bool Call(Arguments&, Value* result) override {
    *result = used ? separator : Value::String("");
    used = true;
    return true;
  }
  const Value separator;
  bool used = false;
};

}  // namespace

std::string Namespace::Repr() const {
  if (writing_) return "<Namespace {...}>";
  writing_ = true;
  std::string out = "<Namespace {";
  bool first = true;
  for (const auto& [name, value] : attributes_) {
    if (!first) out += ", ";
    first = false;
    out += ReprText(name) + ": " + quire::jinja::Repr(value);
  }
  writing_ = false;
  return out + "}>";
}

Value Namespace::Attribute(std::string_view name) const {
  for (const auto& [key, value] : attributes_) {
    if (key == name) return value;
  }
  return {};
}

void Namespace::Set(const std::string& name, Value value) {
  if (name.starts_with("_")) {
    Raise(Fault::kSecurity,
          "Chat templates cannot store underscore-prefixed attributes on a namespace, but got " +
              ReprText(name) + ". Please rename the attribute.");
  }
  Hold(value);
  for (auto& [key, old] : attributes_) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  attributes_.emplace_back(name, std::move(value));
}

LoopContext::LoopContext(const Value& iterable, std::shared_ptr<Iterator> iterator, Int nesting)
    : iterable_(iterable), iterator_(std::move(iterator)), depth0_(nesting) {
  Hold(iterable_);
}

std::shared_ptr<LoopContext> NewLoop(const Value& iterable, std::shared_ptr<Iterator> iterator,
                                     Int depth) {
  auto loop = std::make_shared<LoopContext>(iterable, std::move(iterator), depth);
  loop->self_ = loop;
  return loop;
}

bool LoopContext::Peek() const {
  if (ahead_begin_ < ahead_.size()) return true;
  Value item;
  if (!iterator_->Next(&item)) return false;
  ahead_.clear();
  ahead_begin_ = 0;
  ahead_.push_back(std::move(item));
  return true;
}

bool LoopContext::Next(Value* item) {
  Value next;
  if (ahead_begin_ < ahead_.size()) {
    next = std::move(ahead_[ahead_begin_++]);
  } else if (!iterator_->Next(&next)) {
    return false;
  }
  ++index0_;
  before_ = std::move(current_);
  current_ = next;
  *item = std::move(next);
  return true;
}

Value LoopContext::Length() const {
  if (length_ >= 0) return Value::Integer(length_);
  if (const std::optional<Int> known = LengthOf(iterable_)) {
    length_ = *known;
    return Value::Integer(length_);
  }
  for (Value item; iterator_->Next(&item);) ahead_.push_back(item);
  length_ = index0_ + 1 + static_cast<Int>(ahead_.size() - ahead_begin_);
  return Value::Integer(length_);
}

std::string LoopContext::Repr() const {
  return "<LoopContext " + ReprInt(index0_ + 1) + "/" + ReprInt(Length().integer()) + ">";
}

Value LoopContext::Cycle(const Arguments& arguments) const {
  if (arguments.positional.empty()) Raise(Fault::kType, "no items for cycling given");
  const auto count = static_cast<Int>(arguments.positional.size());
  return arguments.positional[static_cast<size_t>(index0_ % count)];
}

Value LoopContext::Changed(const Arguments& arguments) const {
  const Value now = Value::Tuple(arguments.positional);
  const bool changed = last_changed_.is(Kind::kMissing) || !Equal(last_changed_, now);
  if (changed) last_changed_ = now;
  return Value::Bool(changed);
}

Value LoopContext::Neighbour(std::string_view name) const {
  if (name == "previtem") {
    return index0_ == 0 ? Value::UndefinedBecause("there is no previous item") : before_;
  }
  if (!Peek()) return Value::UndefinedBecause("there is no next item");
  return ahead_[ahead_begin_];
}

Value LoopContext::Attribute(std::string_view name) const {
  if (name == "index0") return Value::Integer(index0_);
  if (name == "index") return Value::Integer(index0_ + 1);
  if (name == "first") return Value::Bool(index0_ == 0);
  if (name == "last") return Value::Bool(!Peek());
  if (name == "length") return Length();
  if (name == "revindex0") return Value::Integer(Length().integer() - index0_ - 1);
  if (name == "revindex") return Value::Integer(Length().integer() - index0_);
  if (name == "depth0") return Value::Integer(depth0_);
  if (name == "depth") return Value::Integer(depth0_ + 1);
  if (name == "previtem" || name == "nextitem") return Neighbour(name);
  if (name != "cycle" && name != "changed") return {};
  return NewMethod(std::string(name), Value::Of(self_.lock()),
                   [cycle = name == "cycle"](const Value& self, Arguments& arguments) {
                     const auto* const loop = self.object_as<LoopContext>();
                     return cycle ? loop->Cycle(arguments) : loop->Changed(arguments);
                   });
}

bool LoopContext::Call(Arguments& arguments, Value* result) {
  const Bound args("loop", {"iterable"}, 1, arguments);
  if (!recurse) {
    Raise(Fault::kType, "The loop must have the 'recursive' marker to be called recursively.");
  }
  *result = recurse(args[0], depth0_ + 1);
  return true;
}

Value NewCycler(const Arguments& arguments) {
  if (arguments.positional.empty()) {
    Raise(Fault::kRuntime, "at least one item has to be provided");
  }
  auto cycler = std::make_shared<Cycler>(arguments.positional);
  cycler->self = cycler;
  return Value::Of(std::move(cycler));
}

Value NewJoiner(const Arguments& arguments) {
  const Bound args("joiner", {"sep"}, 0, arguments);
  return Value::Of(std::make_shared<Joiner>(args.Or(0, Value::String(", "))));
}

std::shared_ptr<Dict> MakeDict(const Arguments& arguments) {
  auto dict = std::make_shared<Dict>();
  if (arguments.positional.size() > 1) {
    Raise(Fault::kType, "dict expected at most 1 argument");
  }
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional[0];
    if (from.is(Kind::kDict)) {
      for (const Dict::Entry& entry : from.dict().entries) dict->Set(entry.first, entry.second);
    } else {
      for (const Value& pair : Collect(from)) {
        const std::vector<Value> parts = Collect(pair);
        if (parts.size() != 2) {
          Raise(Fault::kValue, "dictionary update sequence element has the wrong length");
        }
        dict->Set(parts[0], parts[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) dict->Set(Value::String(name), value);
  return dict;
}

}  // namespace quire::jinja
