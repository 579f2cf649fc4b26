// text/jinja/symbols.h -- which variable a name means in a scope, decided as jinja2's compiler
// does.
//
// A variable is identified by its name and the nesting level of the scope that owns it. Scopes are
// analysed before their code is bound: a name first read is looked up outside, a name first written
// starts without value or as a copy of the outer one, a name written in only some branches of an if
// falls back to the template's variables.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"

namespace quire::jinja {

using VariableId = std::pair<int, std::string>;  // level, name

class Symbols {
 public:
  struct Origin {
    Load::Action action;
    VariableId source;  // of kAlias
  };

  Symbols(const Symbols* parent, int level) : parent_(parent), level_(level) {}

  int level() const { return level_; }
  const VariableId* Find(const std::string& name) const;  // here or outside; null if unknown
  const std::map<VariableId, Origin>& loads() const { return loads_; }
  std::map<std::string, VariableId> VisibleStores() const;

  VariableId DeclareParameter(const std::string& name);
  void Store(const std::string& name);
  void Read(const std::string& name);

  // Names used by the parts of a statement that belong to its own scope.
  void AnalyzeBody(const std::vector<StmtPtr>& body);
  void AnalyzeExpr(const Expr* expr, bool as_parameter = false);

 private:
  VariableId Define(const std::string& name, Origin origin);
  void AnalyzeStmt(const Stmt& stmt);
  void AnalyzeIf(const Stmt& stmt);
  void Merge(const std::vector<Symbols>& branches);

  const Symbols* parent_;
  int level_;
  std::map<std::string, VariableId> refs_;
  std::map<VariableId, Origin> loads_;
  std::set<std::string> stores_;
};

// Those of `names` that the body reads before it sets them.
std::set<std::string> UndeclaredIn(const std::vector<StmtPtr>& body, std::set<std::string> names);

}  // namespace quire::jinja
