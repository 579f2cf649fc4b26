// Expressions (interpreter.h).
#include "text/jinja/interpreter.h"
#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/repr.h"

namespace quire::jinja {

Value Interpreter::Evaluate(const Expr& expr) {
  const Nesting nesting;
  CountSteps(1);
  switch (expr.kind) {
    case ExprKind::kConstant:
    case ExprKind::kData:
      return expr.constant;
    case ExprKind::kName:
      return EvaluateName(expr);
    case ExprKind::kTuple:
      return Value::Tuple(EvaluateAll(expr.parts));
    case ExprKind::kList:
      return Value::List(EvaluateAll(expr.parts));
    case ExprKind::kDict:
      return EvaluateDict(expr);
    case ExprKind::kUnary: {
      const Value operand = Evaluate(*expr.parts[0]);
      line_ = expr.line;
      return expr.unary(operand);
    }
    case ExprKind::kBinary: {
      const Value left = Evaluate(*expr.parts[0]);
      const Value right = Evaluate(*expr.parts[1]);
      line_ = expr.line;
      return expr.binary(left, right);
    }
    case ExprKind::kNot:
      return Value::Bool(!Truth(Evaluate(*expr.parts[0])));
    case ExprKind::kAnd: {
      Value left = Evaluate(*expr.parts[0]);
      return Truth(left) ? Evaluate(*expr.parts[1]) : left;
    }
    case ExprKind::kOr: {
      Value left = Evaluate(*expr.parts[0]);
      return Truth(left) ? left : Evaluate(*expr.parts[1]);
    }
    case ExprKind::kConcat:
      return EvaluateConcat(expr);
    case ExprKind::kCompare:
      return EvaluateCompare(expr);
    case ExprKind::kAttribute: {
      const Value object = Evaluate(*expr.parts[0]);
      line_ = expr.line;
      return GetAttribute(object, expr.name);
    }
    case ExprKind::kItem:
      return EvaluateItem(expr);
    case ExprKind::kFilter:
      return EvaluateFilter(expr);
    case ExprKind::kTest:
      return EvaluateTest(expr);
    case ExprKind::kConditional:
      return EvaluateConditional(expr);
    case ExprKind::kCall:
      return EvaluateCall(expr, nullptr);
    case ExprKind::kSlice:  // one of several keys: no value has such an item
    case ExprKind::kNamespaceRef:
      break;
  }
  return Value::None();
}

Value Interpreter::EvaluateName(const Expr& expr) {
  const Value& value = Slot(expr.variable);
  return value.is(Kind::kMissing) ? Value::Undefined(expr.name) : value;
}

std::vector<Value> Interpreter::EvaluateAll(const std::vector<ExprPtr>& parts) {
  std::vector<Value> values;
  values.reserve(parts.size());
  for (const ExprPtr& part : parts) values.push_back(Evaluate(*part));
  return values;
}

Value Interpreter::EvaluateDict(const Expr& expr) {
  auto dict = std::make_shared<Dict>();
  for (size_t i = 0; i < expr.parts.size(); i += 2) {
    const Value key = Evaluate(*expr.parts[i]);
    dict->Set(key, Evaluate(*expr.parts[i + 1]));
  }
  return Value::Of(std::move(dict));
}

Value Interpreter::EvaluateConcat(const Expr& expr) {
  const std::vector<Value> values = EvaluateAll(expr.parts);
  bool markup = false;
  for (const Value& value : values) {
    markup = markup || (autoescape_ && value.is(Kind::kString) && value.text().markup);
  }
  std::string text;
  for (const Value& value : values) text += markup ? Escape(value).str() : Str(value);
  return Value::String(std::move(text), markup);
}

Value Interpreter::EvaluateCompare(const Expr& expr) {
  Value left = Evaluate(*expr.parts[0]);
  for (size_t i = 0; i < expr.comparisons.size(); ++i) {
    const Value right = Evaluate(*expr.parts[i + 1]);
    const std::string& op = expr.comparisons[i];
    line_ = expr.line;
    bool holds;
    if (op == "==" || op == "!=") {
      holds = Equal(left, right) == (op == "==");
    } else if (op == "in" || op == "not in") {
      holds = Contains(right, left) == (op == "in");
    } else {
      holds = Compare(op, left, right);
    }
    if (!holds) return Value::Bool(false);
    left = right;
  }
  return Value::Bool(true);
}

Value Interpreter::EvaluateItem(const Expr& expr) {
  const Value object = Evaluate(*expr.parts[0]);
  const Expr& key = *expr.parts[1];
  if (key.kind != ExprKind::kSlice) {
    const Value index = Evaluate(key);
    line_ = expr.line;
    return GetItem(object, index);
  }
  SliceBounds bounds;
  if (key.parts[0]) bounds.start = Evaluate(*key.parts[0]);
  if (key.parts[1]) bounds.stop = Evaluate(*key.parts[1]);
  if (key.parts[2]) bounds.step = Evaluate(*key.parts[2]);
  line_ = expr.line;
  return GetSlice(object, bounds);
}

Value Interpreter::EvaluateFilter(const Expr& expr) {
  Arguments arguments;
  arguments.positional.push_back(expr.parts[0] ? Evaluate(*expr.parts[0]) : *block_text_);
  EvaluateArguments(expr.call, &arguments);
  line_ = expr.line;
  if (expr.filter == nullptr) Raise(Fault::kRuntime, "No filter named '" + expr.name + "' found.");
  return expr.filter(arguments);
}

Value Interpreter::EvaluateTest(const Expr& expr) {
  Arguments arguments;
  arguments.positional.push_back(Evaluate(*expr.parts[0]));
  EvaluateArguments(expr.call, &arguments);
  line_ = expr.line;
  if (expr.test == nullptr) Raise(Fault::kRuntime, "No test named '" + expr.name + "' found.");
  return Value::Bool(expr.test(arguments));
}

Value Interpreter::EvaluateConditional(const Expr& expr) {
  if (Truth(Evaluate(*expr.parts[0]))) return Evaluate(*expr.parts[1]);
  if (expr.parts[2]) return Evaluate(*expr.parts[2]);
  return Value::UndefinedBecause("the inline if-expression on line " + std::to_string(expr.line) +
                                 " evaluated to false and no else section was defined.");
}

Value Interpreter::EvaluateCall(const Expr& expr, const Value* caller) {
  const Value callee = Evaluate(*expr.parts[0]);
  Arguments arguments;
  EvaluateArguments(expr.call, &arguments);
  if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
  line_ = expr.line;
  return Call(callee, arguments);
}

void Interpreter::EvaluateArguments(const CallParts& call, Arguments* arguments) {
  for (const ExprPtr& part : call.positional) arguments->positional.push_back(Evaluate(*part));
  for (const auto& [name, part] : call.named) arguments->named.emplace_back(name, Evaluate(*part));
  if (call.star) {
    for (Value& value : Collect(Evaluate(*call.star))) {
      arguments->positional.push_back(std::move(value));
    }
  }
  if (!call.double_star) return;
  const Value more = Evaluate(*call.double_star);
  if (!more.is(Kind::kDict)) {
    Raise(Fault::kType, "argument after ** must be a mapping, not " + TypeName(more));
  }
  for (const Dict::Entry& entry : more.dict().entries) {
    if (!entry.first.is(Kind::kString)) Raise(Fault::kType, "keywords must be strings");
    for (const auto& [name, value] : arguments->named) {
      if (name == entry.first.str()) {
        Raise(Fault::kType, "got multiple values for keyword argument '" + name + "'");
      }
    }
    arguments->named.emplace_back(entry.first.str(), entry.second);
  }
}

}  // namespace quire::jinja
