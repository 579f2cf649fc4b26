// Loops (interpreter.h).
#include "text/jinja/interpreter.h"
#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/swap.h"

namespace quire::jinja {

Interpreter::Flow Interpreter::RunFor(const Stmt& stmt) {
  const Value iterable = Evaluate(*stmt.value);
  line_ = stmt.line;
  if (!stmt.recursive) return RunLoop(stmt, iterable, 0);
  WriteValue(RunRecursive(stmt, environment_, iterable, 0));
  return Flow::kNormal;
}

Value Interpreter::RunRecursive(const Stmt& stmt, const std::shared_ptr<Environment>& around,
                                const Value& iterable, Int depth) {
  std::string text;
  const Swap<std::string*> output(&out_, &text);
  const Swap<std::shared_ptr<Environment>> inside(&environment_,
                                                  NewEnvironment(stmt.function.num_slots, around));
  RunLoop(stmt, iterable, depth);
  return Captured(std::move(text));
}

void Interpreter::AssignTest(const Stmt& stmt, const Expr& target, const Value& value) {
  if (target.kind == ExprKind::kName) {
    Slot(stmt.test_targets.at(target.name)) = value;
    return;
  }
  const std::vector<Value> items = Collect(value);
  if (items.size() != target.parts.size()) {
    Raise(Fault::kValue, "wrong number of values to unpack");
  }
  for (size_t i = 0; i < items.size(); ++i) AssignTest(stmt, *target.parts[i], items[i]);
}

bool Interpreter::Passes(const Stmt& stmt, const Value& item) {
  AssignTest(stmt, *stmt.target, item);
  return Truth(Evaluate(*stmt.test));
}

// The items that pass the loop's `if`, found as the loop asks for them: the condition may depend on
// what the body sets.
std::shared_ptr<Iterator> Interpreter::Filtered(const Stmt& stmt, const Value& iterable) {
  auto inside = NewEnvironment(stmt.function.num_slots, nullptr);
  inside->slots.resize(stmt.test_function.num_slots);
  // Recursive loops define the function outside of themselves.
  inside->parent = stmt.recursive ? environment_->parent : environment_;
  return NewIterator(
      "generator", iterable,
      [this, &stmt, inside, source = MakeIterator(iterable), entered = false](Value* item) mutable {
        const Swap<std::shared_ptr<Environment>> scope(&environment_, inside);
        if (!entered) Enter(stmt.test_frame);
        entered = true;
        while (source->Next(item)) {
          if (Passes(stmt, *item)) return true;
        }
        return false;
      });
}

Interpreter::Flow Interpreter::RunLoop(const Stmt& stmt, const Value& iterable, Int depth) {
  const Nesting nesting;
  std::shared_ptr<Iterator> iterator =
      stmt.test ? Filtered(stmt, iterable) : MakeIterator(iterable);
  const Value source = stmt.test ? Value::Of(iterator) : iterable;
  const std::shared_ptr<LoopContext> loop = NewLoop(source, std::move(iterator), depth);
  if (stmt.recursive) {
    const std::weak_ptr<Environment> around = environment_->parent;
    loop->recurse = [this, &stmt, around](const Value& inner, Int inner_depth) {
      return RunRecursive(stmt, around.lock(), inner, inner_depth);
    };
  }
  bool none_completed = true;
  for (Value item; loop->Next(&item);) {
    CountSteps(1);
    Assign(*stmt.target, item);
    Slot(stmt.variable) = Value::Of(loop);
    Enter(stmt.frame);
    const Flow flow = RunBody(stmt.body);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNormal) none_completed = false;
    line_ = stmt.line;
  }
  Leave(stmt.frame);
  if (!none_completed || stmt.else_body.empty()) return Flow::kNormal;
  Enter(stmt.else_frame);
  const Flow flow = RunBody(stmt.else_body);
  Leave(stmt.else_frame);
  return flow;
}

}  // namespace quire::jinja
