#include "text/jinja/binder.h"

#include "text/jinja/python/error.h"
#include "text/jinja/symbols.h"

namespace quire::jinja {
namespace {

// The Python function that jinja2 would make; it owns the variables of its scopes, whose levels are
// base_level and above, up to those of a function inside it.
struct Scope {
  Scope* parent;
  int base_level;
  std::map<VariableId, uint32_t> slots;
};

struct Place {
  Symbols* symbols;
  Scope* function;
  bool soft = false;      // inside an if: unknown filters are an error only when reached
  bool toplevel = false;  // sets are visible to blocks
  bool in_loop = false;
};

[[noreturn]] void Fail(const std::string& message, int line) {
  throw TemplateError(Fault::kSyntax, message, line);
}

class Binder {
 public:
  explicit Binder(Program* program) : program_(program) {}

  void Run() {
    CollectBlocks(program_->body);
    Symbols symbols(nullptr, 0);
    Scope function{nullptr, 0, {}};
    Place place{&symbols, &function};
    place.toplevel = true;
    program_->uses_self = UndeclaredIn(program_->body, {"self"}).contains("self");
    if (program_->uses_self) {
      program_->self = Locate(symbols.DeclareParameter("self"), &function);
    }
    symbols.AnalyzeBody(program_->body);
    program_->frame = MakeFrame(place);
    BindBody(program_->body, place);
    program_->function.num_slots = static_cast<uint32_t>(function.slots.size());
  }

 private:
  void CollectBlocks(const std::vector<StmtPtr>& body) {
    for (const StmtPtr& stmt : body) {
      if (stmt->kind == StmtKind::kBlock) {
        if (!program_->blocks.emplace(stmt->name, stmt.get()).second) {
          Fail("block '" + stmt->name + "' defined twice", stmt->line);
        }
      }
      CollectBlocks(stmt->body);
      CollectBlocks(stmt->branches);
      CollectBlocks(stmt->else_body);
    }
  }

  static VariableRef Locate(const VariableId& id, Scope* function) {
    VariableRef ref;
    while (function->parent != nullptr && id.first < function->base_level) {
      function = function->parent;
      ++ref.hops;
    }
    const auto [entry, added] =
        function->slots.emplace(id, static_cast<uint32_t>(function->slots.size()));
    ref.slot = entry->second;
    return ref;
  }

  static VariableRef Locate(const std::string& name, const Place& place, int line) {
    const VariableId* id = place.symbols->Find(name);
    if (id == nullptr) Fail("the name '" + name + "' cannot be resolved here", line);
    return Locate(*id, place.function);
  }

  static Frame MakeFrame(const Place& place) {
    Frame frame;
    for (const auto& [id, origin] : place.symbols->loads()) {
      Load load{origin.action, Locate(id, place.function).slot, id.second, {}};
      if (origin.action == Load::Action::kAlias) {
        load.source = Locate(origin.source, place.function);
      }
      frame.loads.push_back(std::move(load));
    }
    return frame;
  }

  static FunctionLayout LayoutOf(const Scope& function) {
    return {static_cast<uint32_t>(function.slots.size())};
  }

  void BindBody(const std::vector<StmtPtr>& body, const Place& place) {
    for (const StmtPtr& stmt : body) BindStmt(stmt.get(), place);
  }

  void BindStmt(Stmt* stmt, const Place& place) {
    switch (stmt->kind) {
      case StmtKind::kOutput:
        for (const ExprPtr& expr : stmt->exprs) BindExpr(expr.get(), place);
        return;
      case StmtKind::kFor:
        return BindFor(stmt, place);
      case StmtKind::kIf:
        return BindIf(stmt, place);
      case StmtKind::kMacro:
        stmt->exported = place.toplevel;
        BindFunction(stmt, place);
        stmt->variable = Locate(stmt->name, place, stmt->line);
        return;
      case StmtKind::kCallBlock:
        BindFunction(stmt, place);
        if (stmt->value) BindExpr(stmt->value.get(), place);
        return;
      case StmtKind::kAssign:
        stmt->exported = place.toplevel;
        BindExpr(stmt->target.get(), place);
        BindExpr(stmt->value.get(), place);
        return;
      case StmtKind::kBlock:
        return BindBlock(stmt, place);
      case StmtKind::kTemplate:
        return BindExpr(stmt->value.get(), place);
      case StmtKind::kBreak:
      case StmtKind::kContinue:
        if (!place.in_loop) Fail("'break' or 'continue' outside loop", stmt->line);
        return;
      default:
        return BindInnerScope(stmt, place);
    }
  }

  static Place Inner(const Place& place, Symbols* symbols) {
    return {symbols, place.function, false, false, place.in_loop};
  }

  // filter, with, set and autoescape blocks: a scope in the same function.
  void BindInnerScope(Stmt* stmt, const Place& place) {
    Symbols symbols(place.symbols, place.symbols->level() + 1);
    const Place inner = Inner(place, &symbols);
    for (const ExprPtr& target : stmt->targets) symbols.AnalyzeExpr(target.get());
    symbols.AnalyzeBody(stmt->body);
    if (stmt->kind == StmtKind::kFilterBlock || stmt->kind == StmtKind::kAutoescape) {
      symbols.AnalyzeExpr(stmt->value.get());
    }
    stmt->frame = MakeFrame(inner);
    for (const ExprPtr& target : stmt->targets) BindExpr(target.get(), inner);
    for (const ExprPtr& expr : stmt->exprs) BindExpr(expr.get(), place);
    if (stmt->target) BindExpr(stmt->target.get(), place);
    BindBody(stmt->body, inner);
    if (stmt->value) BindExpr(stmt->value.get(), inner);
    if (stmt->kind == StmtKind::kAssignBlock) stmt->exported = place.toplevel;
  }

  void BindIf(Stmt* stmt, const Place& place) {
    Place soft = place;
    soft.soft = true;
    BindExpr(stmt->test.get(), soft);
    BindBody(stmt->body, soft);
    for (const StmtPtr& branch : stmt->branches) BindIf(branch.get(), soft);
    BindBody(stmt->else_body, soft);
  }

  void BindFor(Stmt* stmt, const Place& place) {
    RefuseLoopTarget(*stmt);
    const int level = place.symbols->level() + 1;
    Scope loop_function{place.function, level, {}};
    Symbols symbols(place.symbols, level);
    Place inner = Inner(place, &symbols);
    if (stmt->recursive) inner.function = &loop_function;
    inner.in_loop = true;
    stmt->variable = Locate(symbols.DeclareParameter("loop"), inner.function);
    symbols.AnalyzeExpr(stmt->target.get(), true);
    symbols.AnalyzeBody(stmt->body);
    stmt->frame = MakeFrame(inner);

    Symbols else_symbols(place.symbols, level);
    Place otherwise = Inner(place, &else_symbols);
    otherwise.function = inner.function;
    otherwise.in_loop = place.in_loop && !stmt->recursive;
    else_symbols.AnalyzeBody(stmt->else_body);
    stmt->else_frame = MakeFrame(otherwise);

    if (stmt->test) BindLoopTest(stmt, place);
    BindExpr(stmt->value.get(), place);
    BindExpr(stmt->target.get(), inner);
    BindBody(stmt->body, inner);
    BindBody(stmt->else_body, otherwise);
    stmt->function = LayoutOf(loop_function);
  }

  // The filter of a loop runs in a function of its own, which sets the loop's targets for itself.
  void BindLoopTest(Stmt* stmt, const Place& place) {
    const int level = place.symbols->level() + 1;
    Scope function{place.function, level, {}};
    Symbols symbols(place.symbols, level);
    Place inner = Inner(place, &symbols);
    inner.function = &function;
    symbols.AnalyzeExpr(stmt->target.get(), true);
    symbols.AnalyzeExpr(stmt->test.get());
    stmt->test_frame = MakeFrame(inner);
    BindExpr(stmt->test.get(), inner);
    CollectTestTargets(stmt->target.get(), inner, &stmt->test_targets);
    stmt->test_function = LayoutOf(function);
  }

  static void CollectTestTargets(const Expr* target, const Place& place,
                                 std::map<std::string, VariableRef>* out) {
    if (target->kind == ExprKind::kName) {
      (*out)[target->name] = Locate(target->name, place, target->line);
    }
    for (const ExprPtr& part : target->parts) CollectTestTargets(part.get(), place, out);
  }

  static bool Stores(const Expr* expr, const std::string& name) {
    if (expr == nullptr) return false;
    if (expr->kind == ExprKind::kName && expr->name == name && expr->use == NameUse::kStore) {
      return true;
    }
    for (const ExprPtr& part : expr->parts) {
      if (Stores(part.get(), name)) return true;
    }
    return false;
  }

  static bool Stores(const Stmt& stmt, const std::string& name) {
    if (Stores(stmt.target.get(), name)) return true;
    for (const auto* list : {&stmt.body, &stmt.branches, &stmt.else_body}) {
      for (const StmtPtr& child : *list) {
        if (Stores(*child, name)) return true;
      }
    }
    return false;
  }

  static void RefuseLoopTarget(const Stmt& stmt) {
    if (Stores(stmt, "loop")) {
      Fail("Can't assign to special loop variable in for-loop target", stmt.line);
    }
  }

  // Macros and call blocks.
  void BindFunction(Stmt* stmt, const Place& place) {
    const int level = place.symbols->level() + 1;
    Scope function{place.function, level, {}};
    Symbols symbols(place.symbols, level);
    const Place inner{&symbols, &function, false, false, false};
    AnalyzeFunction(*stmt, &symbols);
    const std::set<std::string> used = UndeclaredIn(stmt->body, {"caller", "kwargs", "varargs"});
    std::map<std::string, size_t> parameters;
    for (size_t i = 0; i < stmt->exprs.size(); ++i) parameters[stmt->exprs[i]->name] = i;
    const auto special = [&](const std::string& name) {
      stmt->specials.push_back(Locate(symbols.DeclareParameter(name), &function));
    };
    if (used.contains("caller")) {
      stmt->uses_caller = true;
      const auto explicit_caller = parameters.find("caller");
      if (explicit_caller == parameters.end()) {
        special("caller");
      } else if (explicit_caller->second + stmt->defaults.size() < stmt->exprs.size()) {
        Fail(
            "When defining macros or call blocks the special \"caller\" argument must be "
            "omitted or be given a default.",
            stmt->line);
      }
    }
    if (used.contains("kwargs") && !parameters.contains("kwargs")) {
      stmt->uses_kwargs = true;
      special("kwargs");
    }
    if (used.contains("varargs") && !parameters.contains("varargs")) {
      stmt->uses_varargs = true;
      special("varargs");
    }
    AnalyzeFunction(*stmt, &symbols);
    stmt->frame = MakeFrame(inner);
    for (const ExprPtr& parameter : stmt->exprs) BindExpr(parameter.get(), inner);
    for (const ExprPtr& value : stmt->defaults) BindExpr(value.get(), inner);
    BindBody(stmt->body, inner);
    stmt->function = LayoutOf(function);
  }

  static void AnalyzeFunction(const Stmt& stmt, Symbols* symbols) {
    for (const ExprPtr& parameter : stmt.exprs) symbols->AnalyzeExpr(parameter.get());
    for (const ExprPtr& value : stmt.defaults) symbols->AnalyzeExpr(value.get());
    symbols->AnalyzeBody(stmt.body);
  }

  // A block is a function that sees nothing of what is around it but the template's variables.
  void BindBlock(Stmt* stmt, const Place& place) {
    if (stmt->scoped) {
      for (const auto& [name, id] : place.symbols->VisibleStores()) {
        stmt->visible.emplace_back(name, Locate(id, place.function));
      }
    }
    Symbols symbols(nullptr, 0);
    Scope function{nullptr, 0, {}};
    const Place inner{&symbols, &function, false, false, false};
    symbols.AnalyzeBody(stmt->body);
    stmt->frame = MakeFrame(inner);
    BindBody(stmt->body, inner);
    stmt->function = LayoutOf(function);
  }

  void BindExpr(Expr* expr, const Place& place) {
    switch (expr->kind) {
      case ExprKind::kName:
      case ExprKind::kNamespaceRef:
        expr->variable = Locate(expr->name, place, expr->line);
        break;
      case ExprKind::kFilter:
        expr->filter = FindFilter(expr->name);
        if (expr->filter == nullptr && !place.soft) {
          Fail("No filter named '" + expr->name + "'.", expr->line);
        }
        break;
      case ExprKind::kTest:
        expr->test = FindTest(expr->name);
        if (expr->test == nullptr && !place.soft) {
          Fail("No test named '" + expr->name + "'.", expr->line);
        }
        break;
      default:
        break;
    }
    Place inside = place;
    if (expr->kind == ExprKind::kConditional) inside.soft = true;
    const auto bind = [&](const ExprPtr& part) {
      if (part) BindExpr(part.get(), inside);
    };
    for (const ExprPtr& part : expr->parts) bind(part);
    for (const ExprPtr& part : expr->call.positional) bind(part);
    for (const auto& [name, part] : expr->call.named) bind(part);
    bind(expr->call.star);
    bind(expr->call.double_star);
  }

  Program* const program_;
};

}  // namespace

Program Bind(std::vector<StmtPtr> body) {
  Program program;
  program.body = std::move(body);
  Binder(&program).Run();
  return program;
}

}  // namespace quire::jinja
