#include "text/jinja/interpreter.h"

#include <utility>

#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/parameters.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/swap.h"

namespace quire::jinja {

// self: renders a block by name.
struct BlockReference : Object {
  explicit BlockReference(Interpreter* owner) : interpreter(owner) {}
  std::string TypeName() const override { return "TemplateReference"; }
  std::string Repr() const override { return "<TemplateReference None>"; }
  Value Item(const Value& key) const override;
  Interpreter* const interpreter;
};

Value BlockReference::Item(const Value& key) const {
  if (!key.is(Kind::kString)) return {};
  const auto block = interpreter->program_.blocks.find(key.str());
  if (block == interpreter->program_.blocks.end()) return {};
  return NewFunction(key.str(), [owner = interpreter, stmt = block->second](Arguments&) {
    std::string text;
    const Swap<std::string*> output(&owner->out_, &text);
    owner->RunBlock(*stmt, nullptr);
    return owner->Captured(std::move(text));
  });
}

Interpreter::Interpreter(const Program& program, Value variables, RunOptions options)
    : program_(program), variables_(std::move(variables)), options_(options) {
  DefineGlobals();
}

Interpreter::~Interpreter() {
  // Environments and namespaces may refer to themselves and to each other. All of them stay alive
  // while they are emptied one by one, so nothing is destroyed recursively.
  for (const auto& weak : environments_) {
    if (std::shared_ptr<Environment> environment = weak.lock()) Keep(environment);
  }
  for (const auto& environment : kept_) environment->slots.clear();
  for (const auto& space : namespaces_) space->Clear();
}

std::shared_ptr<Environment> Interpreter::NewEnvironment(uint32_t slots,
                                                         std::shared_ptr<Environment> around) {
  ChargeBytes(sizeof(Environment) + slots * sizeof(Value));
  auto environment = std::make_shared<Environment>(slots, std::move(around));
  environments_.push_back(environment);
  return environment;
}

void Interpreter::Keep(const std::shared_ptr<Environment>& environment) {
  if (environment->kept) return;
  environment->kept = true;
  kept_.push_back(environment);
}

std::string Interpreter::Run() {
  std::string text;
  out_ = &text;
  environment_ = NewEnvironment(program_.function.num_slots, nullptr);
  try {
    if (program_.uses_self) Slot(program_.self) = Value::Of(std::make_shared<BlockReference>(this));
    Enter(program_.frame);
    RunBody(program_.body);
  } catch (TemplateError& error) {
    if (error.line() == 0) error.set_line(line_);
    throw;
  }
  return text;
}

void Interpreter::DefineGlobals() {
  const auto define = [this](const std::string& name, Function::Body body) {
    globals_[name] = NewFunction(name, std::move(body));
  };
  define("raise_exception", [](Arguments& arguments) -> Value {
    const Bound args("raise_exception", {"message"}, 1, arguments);
    Raise(Fault::kRaised, Str(args[0]));
  });
  define("strftime_now", [this](Arguments& arguments) {
    const Bound args("strftime_now", {"format"}, 1, arguments);
    return Value::String(FormatTime(args.String(0), options_.now));
  });
  define("namespace", [this](Arguments& arguments) {
    auto space = std::make_shared<Namespace>();
    namespaces_.push_back(space);
    const std::shared_ptr<Dict> attributes = MakeDict(arguments);
    for (const Dict::Entry& entry : attributes->entries) {
      if (entry.first.is(Kind::kString)) space->Set(entry.first.str(), entry.second);
    }
    return Value::Of(std::move(space));
  });
  define("dict", [](Arguments& arguments) { return Value::Of(MakeDict(arguments)); });
  define("cycler", [](Arguments& arguments) { return NewCycler(arguments); });
  define("joiner", [](Arguments& arguments) { return NewJoiner(arguments); });
  define("lipsum", [](Arguments&) -> Value {
    Raise(Fault::kRuntime, "lipsum() is random text and has no place in a chat template");
  });
  define("range", [](Arguments& arguments) {
    const Bound args("range", {"start", "stop", "step"}, 1, arguments);
    if (!arguments.named.empty()) Raise(Fault::kType, "range() takes no keyword arguments");
    const Int first = args.Integer(0, 0);
    auto range = args.given(1)
                     ? std::make_shared<Range>(first, args.Integer(1, 0), args.Integer(2, 1))
                     : std::make_shared<Range>(0, first, 1);
    constexpr Int kMaxRange = 100000;
    if (range->length > kMaxRange) {
      Raise(Fault::kOverflow,
            "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
    }
    return Value::Of(std::move(range));
  });
}

Value& Interpreter::Slot(VariableRef ref) {
  Environment* environment = environment_.get();
  for (uint32_t i = 0; i < ref.hops; ++i) environment = environment->parent.get();
  return environment->slots[ref.slot];
}

void Interpreter::Enter(const Frame& frame) {
  for (const Load& load : frame.loads) {
    Value& slot = environment_->slots[load.slot];
    switch (load.action) {
      case Load::Action::kParameter:
        break;
      case Load::Action::kResolve:
        slot = Resolve(load.name);
        break;
      case Load::Action::kAlias:
        slot = Slot(load.source);
        break;
      case Load::Action::kUndefined:
        slot = Value();
        break;
    }
  }
}

void Interpreter::Leave(const Frame& frame) {
  for (const Load& load : frame.loads) environment_->slots[load.slot] = Value();
}

Value Interpreter::Resolve(std::string_view name) const {
  if (const auto found = exported_.find(name); found != exported_.end()) return found->second;
  if (const Value* given = variables_.dict().Find(name)) return *given;
  const auto global = globals_.find(name);
  return global == globals_.end() ? Value() : global->second;
}

void Interpreter::Write(std::string_view text) {
  if (text.size() > options_.max_output_bytes - out_->size()) {
    Raise(Fault::kLimit, "the text is too long");
  }
  out_->append(text);
}

void Interpreter::WriteValue(const Value& value) {
  if (autoescape_) {
    Write(Escape(value).str());
  } else if (value.is(Kind::kString)) {
    Write(value.str());
  } else {
    Write(Str(value));
  }
}

Value Interpreter::Captured(std::string text) const {
  return Value::String(std::move(text), autoescape_);
}

Interpreter::Flow Interpreter::RunBody(const std::vector<StmtPtr>& body) {
  for (const StmtPtr& stmt : body) {
    CountSteps(1);
    const Flow flow = RunStmt(*stmt);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::RunStmt(const Stmt& stmt) {
  const Nesting nesting;
  line_ = stmt.line;
  switch (stmt.kind) {
    case StmtKind::kOutput:
      RunOutput(stmt);
      return Flow::kNormal;
    case StmtKind::kFor:
      return RunFor(stmt);
    case StmtKind::kIf:
      return RunIf(stmt);
    case StmtKind::kMacro: {
      const Value macro = NewMacro(stmt);
      if (stmt.exported) exported_[stmt.name] = macro;
      Slot(stmt.variable) = macro;
      return Flow::kNormal;
    }
    case StmtKind::kCallBlock:
      RunCallBlock(stmt);
      return Flow::kNormal;
    case StmtKind::kAssign:
      RunAssign(stmt);
      return Flow::kNormal;
    case StmtKind::kAssignBlock:
      return RunAssignBlock(stmt);
    case StmtKind::kFilterBlock:
      return RunFilterBlock(stmt);
    case StmtKind::kWith:
    case StmtKind::kAutoescape:
      return RunScope(stmt);
    case StmtKind::kBlock: {
      Variables locals;
      for (const auto& [name, ref] : stmt.visible) {
        if (!Slot(ref).is(Kind::kMissing)) locals[name] = Slot(ref);
      }
      RunBlock(stmt, stmt.scoped ? &locals : nullptr);
      return Flow::kNormal;
    }
    case StmtKind::kTemplate:
      Raise(Fault::kType, "no loader for this environment specified");
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNormal;
}

void Interpreter::RunOutput(const Stmt& stmt) {
  for (const ExprPtr& expr : stmt.exprs) {
    line_ = expr->line;
    if (expr->kind == ExprKind::kData) {
      Write(expr->constant.str());
    } else {
      WriteValue(Evaluate(*expr));
    }
  }
}

Interpreter::Flow Interpreter::RunIf(const Stmt& stmt) {
  if (Truth(Evaluate(*stmt.test))) return RunBody(stmt.body);
  for (const StmtPtr& branch : stmt.branches) {
    line_ = branch->line;
    if (Truth(Evaluate(*branch->test))) return RunBody(branch->body);
  }
  return RunBody(stmt.else_body);
}

Interpreter::Flow Interpreter::RunScope(const Stmt& stmt) {
  Enter(stmt.frame);
  if (stmt.kind == StmtKind::kAutoescape) {
    const Swap<bool> escaping(&autoescape_, Truth(Evaluate(*stmt.value)));
    const Flow flow = RunBody(stmt.body);
    Leave(stmt.frame);
    return flow;
  }
  for (size_t i = 0; i < stmt.targets.size(); ++i) {
    Assign(*stmt.targets[i], Evaluate(*stmt.exprs[i]));
  }
  const Flow flow = RunBody(stmt.body);
  Leave(stmt.frame);
  return flow;
}

void Interpreter::RequireNamespaces(const Expr& target) {
  if (target.kind == ExprKind::kNamespaceRef &&
      Slot(target.variable).object_as<Namespace>() == nullptr) {
    Raise(Fault::kRuntime, "cannot assign attribute on non-namespace object");
  }
  for (const ExprPtr& part : target.parts) RequireNamespaces(*part);
}

void Interpreter::Assign(const Expr& target, const Value& value) {
  if (target.kind == ExprKind::kName) {
    Slot(target.variable) = value;
  } else if (target.kind == ExprKind::kNamespaceRef) {
    RequireNamespaces(target);
    Slot(target.variable).object_as<Namespace>()->Set(target.attribute, value);
  } else {
    if (!IsIterable(value)) {
      Raise(Fault::kType, "cannot unpack non-iterable " + TypeName(value) + " object");
    }
    const std::vector<Value> items = Collect(value);
    if (items.size() != target.parts.size()) {
      Raise(Fault::kValue, items.size() > target.parts.size() ? "too many values to unpack"
                                                              : "not enough values to unpack");
    }
    for (size_t i = 0; i < items.size(); ++i) Assign(*target.parts[i], items[i]);
  }
}

void Interpreter::Export(const Expr& target) {
  if (target.kind == ExprKind::kName) exported_[target.name] = Slot(target.variable);
  for (const ExprPtr& part : target.parts) Export(*part);
}

void Interpreter::RunAssign(const Stmt& stmt) {
  RequireNamespaces(*stmt.target);
  const Value value = Evaluate(*stmt.value);
  line_ = stmt.line;
  Assign(*stmt.target, value);
  if (stmt.exported) Export(*stmt.target);
}

Interpreter::Flow Interpreter::RunAssignBlock(const Stmt& stmt) {
  std::string text;
  Enter(stmt.frame);
  {
    const Swap<std::string*> output(&out_, &text);
    const Flow flow = RunBody(stmt.body);
    if (flow != Flow::kNormal) return flow;
  }
  Value value = Captured(std::move(text));
  if (stmt.value) {
    const Swap<const Value*> subject(&block_text_, &value);
    value = Evaluate(*stmt.value);
  }
  line_ = stmt.line;
  Assign(*stmt.target, value);
  if (stmt.exported) Export(*stmt.target);
  Leave(stmt.frame);
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::RunFilterBlock(const Stmt& stmt) {
  std::string text;
  Enter(stmt.frame);
  {
    const Swap<std::string*> output(&out_, &text);
    const Flow flow = RunBody(stmt.body);
    if (flow != Flow::kNormal) return flow;
  }
  const Value whole = Captured(std::move(text));
  const Swap<const Value*> subject(&block_text_, &whole);
  WriteValue(Evaluate(*stmt.value));
  Leave(stmt.frame);
  return Flow::kNormal;
}

void Interpreter::RunBlock(const Stmt& stmt, const Variables* locals) {
  if (stmt.required) Raise(Fault::kRuntime, "Required block '" + stmt.name + "' not found");
  const Variables outer = exported_;
  if (locals != nullptr) {
    for (const auto& [name, value] : *locals) exported_[name] = value;
  }
  const Swap<std::shared_ptr<Environment>> inside(&environment_,
                                                  NewEnvironment(stmt.function.num_slots, nullptr));
  Enter(stmt.frame);
  RunBody(stmt.body);
  exported_ = outer;
}

}  // namespace quire::jinja
