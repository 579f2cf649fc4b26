// text/jinja/ast.h -- a parsed template: what the parser builds, the binder completes and the
// interpreter walks.
//
// Invariant  an expression is at most kMaxExprDepth deep and a statement kMaxStmtDepth, so walking
//            and destroying the tree recursively is safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/frame.h"
#include "text/jinja/python/value.h"
#include "text/jinja/registry.h"

namespace quire::jinja {

inline constexpr int kMaxExprDepth = 200;
inline constexpr int kMaxStmtDepth = 60;

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using StmtPtr = std::unique_ptr<Stmt>;

enum class ExprKind {
  kConstant,      // constant
  kData,          // constant: text between tags
  kName,          // name, use, variable
  kNamespaceRef,  // name.attribute as a target; variable
  kTuple,         // parts
  kList,          // parts
  kDict,          // parts: key, value, key, value, ...
  kUnary,         // unary(parts[0])
  kBinary,        // binary(parts[0], parts[1])
  kNot,           // parts[0]
  kAnd,           // parts[0], parts[1]
  kOr,            // parts[0], parts[1]
  kConcat,        // parts
  kCompare,       // parts[0] comparisons[0] parts[1] comparisons[1] ...
  kAttribute,     // parts[0].name
  kItem,          // parts[0][parts[1]]
  kSlice,         // only as parts[1] of kItem: start, stop, step, each may be null
  kFilter,        // parts[0] | name(call); parts[0] is null for a block's own text
  kTest,          // parts[0] is name(call)
  kConditional,   // parts[1] if parts[0] else parts[2]; parts[2] may be null
  kCall,          // parts[0](call)
};

enum class NameUse { kLoad, kStore, kParameter };

struct CallParts {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star;         // *args, or null
  ExprPtr double_star;  // **kwargs, or null
};

struct Expr {
  Expr(ExprKind expr_kind, int at_line) : kind(expr_kind), line(at_line) {}
  const ExprKind kind;
  const int line;
  int depth = 1;
  NameUse use = NameUse::kLoad;
  std::string name;
  std::string attribute;
  Value constant;
  std::vector<ExprPtr> parts;
  std::vector<std::string> comparisons;
  CallParts call;
  Value (*unary)(const Value&) = nullptr;
  Value (*binary)(const Value&, const Value&) = nullptr;
  // Set by the binder.
  VariableRef variable;
  FilterFunction filter = nullptr;  // null: unknown, an error when it is reached
  TestFunction test = nullptr;
};

enum class StmtKind {
  kOutput,       // exprs: what to print
  kFor,          // target in value, if test: body, else_body; recursive
  kIf,           // test: body; branches: elif statements; else_body
  kMacro,        // name(exprs, defaults): body
  kCallBlock,    // (exprs, defaults) value (a call; null: {% generation %}): body
  kFilterBlock,  // value: body
  kWith,         // targets = exprs: body
  kAssign,       // target = value
  kAssignBlock,  // target = body through value (a filter; may be null)
  kBlock,        // name: body
  kAutoescape,   // value: body
  kTemplate,     // extends, include, import, from: value is the other template
  kBreak,
  kContinue,
};

struct Stmt {
  Stmt(StmtKind stmt_kind, int at_line) : kind(stmt_kind), line(at_line) {}
  const StmtKind kind;
  const int line;
  std::string name;
  ExprPtr target;
  ExprPtr value;
  ExprPtr test;
  std::vector<ExprPtr> targets;
  std::vector<ExprPtr> exprs;
  std::vector<ExprPtr> defaults;
  std::vector<StmtPtr> body;
  std::vector<StmtPtr> branches;
  std::vector<StmtPtr> else_body;
  std::vector<std::string> imports;  // names that a kTemplate would define
  bool recursive = false;
  bool scoped = false;
  bool required = false;
  // Set by the binder.
  Frame frame;                   // of the body
  Frame else_frame;              // of a loop's else
  Frame test_frame;              // of a loop's filter
  FunctionLayout function;       // of a macro, call block, block or recursive loop
  FunctionLayout test_function;  // of a loop's filter
  std::map<std::string, VariableRef> test_targets;  // where that function keeps the targets
  VariableRef variable;                             // kMacro: its own name; kFor: `loop`
  std::vector<VariableRef> specials;  // of a macro: caller, kwargs, varargs, as far as it uses them
  bool uses_caller = false;
  bool uses_kwargs = false;
  bool uses_varargs = false;
  bool exported = false;  // at top level: blocks see what it sets
  std::vector<std::pair<std::string, VariableRef>> visible;  // kBlock scoped: what it can see
};

}  // namespace quire::jinja
