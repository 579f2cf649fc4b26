#include "text/jinja/symbols.h"

#include "base/check.h"

namespace quire::jinja {

const VariableId* Symbols::Find(const std::string& name) const {
  const auto found = refs_.find(name);
  if (found != refs_.end()) return &found->second;
  return parent_ != nullptr ? parent_->Find(name) : nullptr;
}

std::map<std::string, VariableId> Symbols::VisibleStores() const {
  std::map<std::string, VariableId> result;
  for (const Symbols* scope = this; scope != nullptr; scope = scope->parent_) {
    for (const std::string& name : scope->stores_) result.emplace(name, *Find(name));
  }
  return result;
}

VariableId Symbols::Define(const std::string& name, Origin origin) {
  VariableId id(level_, name);
  refs_[name] = id;
  loads_[id] = std::move(origin);
  return id;
}

VariableId Symbols::DeclareParameter(const std::string& name) {
  stores_.insert(name);
  return Define(name, {Load::Action::kParameter, {}});
}

void Symbols::Store(const std::string& name) {
  stores_.insert(name);
  if (refs_.contains(name)) return;
  const VariableId* outer = parent_ != nullptr ? parent_->Find(name) : nullptr;
  if (outer != nullptr) {
    Define(name, {Load::Action::kAlias, *outer});
  } else {
    Define(name, {Load::Action::kUndefined, {}});
  }
}

void Symbols::Read(const std::string& name) {
  if (Find(name) == nullptr) Define(name, {Load::Action::kResolve, {}});
}

void Symbols::AnalyzeBody(const std::vector<StmtPtr>& body) {
  for (const StmtPtr& stmt : body) AnalyzeStmt(*stmt);
}

void Symbols::AnalyzeExpr(const Expr* expr, bool as_parameter) {
  if (expr == nullptr) return;
  if (expr->kind == ExprKind::kNamespaceRef) {
    Read(expr->name);
  } else if (expr->kind == ExprKind::kName) {
    if (as_parameter || expr->use == NameUse::kParameter) {
      DeclareParameter(expr->name);
    } else if (expr->use == NameUse::kStore) {
      Store(expr->name);
    } else {
      Read(expr->name);
    }
  }
  for (const ExprPtr& part : expr->parts) AnalyzeExpr(part.get(), as_parameter);
  for (const ExprPtr& part : expr->call.positional) AnalyzeExpr(part.get());
  for (const auto& [name, part] : expr->call.named) AnalyzeExpr(part.get());
  AnalyzeExpr(expr->call.star.get());
  AnalyzeExpr(expr->call.double_star.get());
}

void Symbols::AnalyzeStmt(const Stmt& stmt) {
  switch (stmt.kind) {
    case StmtKind::kIf:
      return AnalyzeIf(stmt);
    case StmtKind::kMacro:
      return Store(stmt.name);
    case StmtKind::kAssign:
      AnalyzeExpr(stmt.value.get());
      return AnalyzeExpr(stmt.target.get());
    case StmtKind::kAssignBlock:
      return AnalyzeExpr(stmt.target.get());
    case StmtKind::kTemplate:
      AnalyzeExpr(stmt.value.get());
      for (const std::string& name : stmt.imports) Store(name);
      return;
    case StmtKind::kFor:
    case StmtKind::kCallBlock:
    case StmtKind::kFilterBlock:
      return AnalyzeExpr(stmt.value.get());
    case StmtKind::kWith:
    case StmtKind::kOutput:
      for (const ExprPtr& expr : stmt.exprs) AnalyzeExpr(expr.get());
      return;
    default:
      return;  // blocks and autoescape are scopes of their own
  }
}

void Symbols::AnalyzeIf(const Stmt& stmt) {
  AnalyzeExpr(stmt.test.get());
  std::vector<Symbols> branches(3, *this);
  branches[0].AnalyzeBody(stmt.body);
  for (const StmtPtr& branch : stmt.branches) branches[1].AnalyzeIf(*branch);
  branches[2].AnalyzeBody(stmt.else_body);
  Merge(branches);
}

void Symbols::Merge(const std::vector<Symbols>& branches) {
  std::set<std::string> stored;
  for (const Symbols& branch : branches)
    stored.insert(branch.stores_.begin(), branch.stores_.end());
  for (const std::string& name : stores_) stored.erase(name);
  for (const Symbols& branch : branches) {
    for (const auto& [name, id] : branch.refs_) refs_[name] = id;
    for (const auto& [id, origin] : branch.loads_) loads_[id] = origin;
    stores_.insert(branch.stores_.begin(), branch.stores_.end());
  }
  for (const std::string& name : stored) {
    const VariableId* target = Find(name);
    QUIRE_CHECK(target != nullptr);
    const VariableId* outer = parent_ != nullptr ? parent_->Find(name) : nullptr;
    if (outer != nullptr) {
      loads_[*target] = {Load::Action::kAlias, *outer};
    } else {
      loads_[*target] = {Load::Action::kResolve, {}};
    }
  }
}

namespace {

// Walks a body in source order, as jinja2's tree does.
class UndeclaredFinder {
 public:
  explicit UndeclaredFinder(std::set<std::string> names) : names_(std::move(names)) {}

  void Visit(const std::vector<StmtPtr>& body) {
    for (const StmtPtr& stmt : body) Visit(*stmt);
  }

  std::set<std::string> Take() { return std::move(undeclared_); }

 private:
  void Visit(const Stmt& stmt) {
    if (stmt.kind == StmtKind::kBlock) return;
    const bool value_first =
        stmt.kind == StmtKind::kCallBlock || stmt.kind == StmtKind::kAutoescape;
    if (value_first) Visit(stmt.value.get());
    Visit(stmt.target.get());
    if (stmt.kind != StmtKind::kFor) Visit(stmt.test.get());
    Visit(stmt.targets);
    Visit(stmt.exprs);
    Visit(stmt.defaults);
    const bool value_last = stmt.kind == StmtKind::kFilterBlock;
    if (!value_first && !value_last) Visit(stmt.value.get());
    Visit(stmt.body);
    for (const StmtPtr& branch : stmt.branches) Visit(*branch);
    Visit(stmt.else_body);
    if (value_last) Visit(stmt.value.get());
    if (stmt.kind == StmtKind::kFor) Visit(stmt.test.get());
  }

  void Visit(const std::vector<ExprPtr>& exprs) {
    for (const ExprPtr& expr : exprs) Visit(expr.get());
  }

  void Visit(const Expr* expr) {
    if (expr == nullptr) return;
    if (expr->kind == ExprKind::kName) {
      if (expr->use == NameUse::kLoad && names_.contains(expr->name)) {
        undeclared_.insert(expr->name);
      } else {
        names_.erase(expr->name);
      }
    }
    Visit(expr->parts);
    Visit(expr->call.positional);
    for (const auto& [name, part] : expr->call.named) Visit(part.get());
    Visit(expr->call.star.get());
    Visit(expr->call.double_star.get());
  }

  std::set<std::string> names_;
  std::set<std::string> undeclared_;
};

}  // namespace

std::set<std::string> UndeclaredIn(const std::vector<StmtPtr>& body, std::set<std::string> names) {
  UndeclaredFinder finder(std::move(names));
  finder.Visit(body);
  return finder.Take();
}

}  // namespace quire::jinja
