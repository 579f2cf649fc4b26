// Macros and call blocks (interpreter.h).
#include <algorithm>

#include "text/jinja/interpreter.h"
#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/swap.h"

namespace quire::jinja {

struct Macro : Object {
  Macro(Interpreter* owner, const Stmt& definition, std::shared_ptr<Environment> around)
      : interpreter(owner), stmt(definition), closure(std::move(around)) {}
  std::string TypeName() const override { return "Macro"; }
  std::string Repr() const override {
    return "<Macro " + (stmt.name.empty() ? "anonymous" : ReprText(stmt.name)) + ">";
  }
  Value Attribute(std::string_view name) const override;
  bool Callable() const override { return true; }
  bool Call(Arguments& arguments, Value* result) override {
    *result = interpreter->CallMacro(stmt, closure, arguments);
    return true;
  }
  Interpreter* const interpreter;
  const Stmt& stmt;
  const std::shared_ptr<Environment> closure;
};

Value Macro::Attribute(std::string_view name) const {
  if (name == "name") return stmt.name.empty() ? Value::None() : Value::String(stmt.name);
  if (name == "catch_kwargs") return Value::Bool(stmt.uses_kwargs);
  if (name == "catch_varargs") return Value::Bool(stmt.uses_varargs);
  if (name == "caller") return Value::Bool(stmt.uses_caller);
  if (name != "arguments") return {};
  std::vector<Value> names;
  for (const ExprPtr& parameter : stmt.exprs) names.push_back(Value::String(parameter->name));
  return Value::Tuple(std::move(names));
}

Value Interpreter::NewMacro(const Stmt& stmt) {
  Keep(environment_);
  return Value::Of(std::make_shared<Macro>(this, stmt, environment_));
}

void Interpreter::RunCallBlock(const Stmt& stmt) {
  if (!stmt.value) {  // {% generation %}: the body as it is
    Arguments none;
    WriteValue(CallMacro(stmt, environment_, none));
    return;
  }
  const Value caller = NewMacro(stmt);
  WriteValue(EvaluateCall(*stmt.value, &caller));
}

// The macro's parameters in order, then caller, kwargs and varargs as far as it uses them.
std::vector<Value> Interpreter::BindMacro(const Stmt& stmt, Arguments& arguments) const {
  const auto take = [&](const std::string& name) {
    const auto found = std::find_if(arguments.named.begin(), arguments.named.end(),
                                    [&](const auto& pair) { return pair.first == name; });
    if (found == arguments.named.end()) return Value();
    Value value = std::move(found->second);
    arguments.named.erase(found);
    return value;
  };
  const size_t count = stmt.exprs.size();
  const size_t given = std::min(count, arguments.positional.size());
  std::vector<Value> values(arguments.positional.begin(),
                            arguments.positional.begin() + static_cast<ptrdiff_t>(given));
  bool has_caller = false;
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = stmt.exprs[i]->name;
    has_caller = has_caller || name == "caller";
    if (i >= given) values.push_back(take(name));
  }
  if (stmt.uses_caller && !has_caller) {
    Value caller = take("caller");
    const bool absent = caller.is(Kind::kMissing) || caller.is(Kind::kNone);
    values.push_back(absent ? Value::UndefinedBecause("No caller defined") : caller);
  }
  const std::string title = "macro " + (stmt.name.empty() ? "None" : ReprText(stmt.name));
  if (stmt.uses_kwargs) {
    auto rest = std::make_shared<Dict>();
    for (auto& [name, value] : arguments.named) rest->Set(Value::String(name), value);
    values.push_back(Value::Of(std::move(rest)));
  } else if (!arguments.named.empty()) {
    Raise(Fault::kType, title + " takes no keyword argument " + ReprText(arguments.named[0].first));
  }
  if (stmt.uses_varargs) {
    values.push_back(Value::Tuple({arguments.positional.begin() + static_cast<ptrdiff_t>(given),
                                   arguments.positional.end()}));
  } else if (arguments.positional.size() > count) {
    Raise(Fault::kType, title + " takes not more than " + std::to_string(count) + " argument(s)");
  }
  return values;
}

Value Interpreter::CallMacro(const Stmt& stmt, const std::shared_ptr<Environment>& closure,
                             Arguments& arguments) {
  const std::vector<Value> values = BindMacro(stmt, arguments);
  const int caller_line = line_;
  std::string text;
  {
    const Swap<std::string*> output(&out_, &text);
    const Swap<std::shared_ptr<Environment>> inside(
        &environment_, NewEnvironment(stmt.function.num_slots, closure));
    const size_t count = stmt.exprs.size();
    for (size_t i = 0; i < values.size(); ++i) {
      Slot(i < count ? stmt.exprs[i]->variable : stmt.specials[i - count]) = values[i];
    }
    Enter(stmt.frame);
    for (size_t i = 0; i < count; ++i) {
      if (!values[i].is(Kind::kMissing)) continue;
      const size_t first_default = count - stmt.defaults.size();
      const Value value =
          i >= first_default
              ? Evaluate(*stmt.defaults[i - first_default])
              : Value::UndefinedBecause("parameter " + ReprText(stmt.exprs[i]->name) +
                                        " was not provided");
      Slot(stmt.exprs[i]->variable) = value;
    }
    RunBody(stmt.body);
  }
  line_ = caller_line;
  return Captured(std::move(text));
}

}  // namespace quire::jinja
