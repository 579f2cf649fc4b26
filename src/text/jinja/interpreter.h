// text/jinja/interpreter.h -- one rendering of a template: walks the tree, keeps its variables.
//
// Threads  one rendering is one Interpreter on one thread; the Program is only read.
// Errors   TemplateError with the line of the innermost statement or expression at fault.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/binder.h"
#include "text/jinja/python/value.h"
#include "text/jinja/runtime_objects.h"

namespace quire::jinja {

struct RunOptions {
  size_t max_output_bytes;
  std::chrono::local_seconds now;
};

class Interpreter {
 public:
  // `variables` is a dict; a template sees its entries, then the global functions.
  Interpreter(const Program& program, Value variables, RunOptions options);
  ~Interpreter();  // takes apart what can refer to itself
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  std::string Run();

 private:
  friend struct Macro;
  friend struct BlockReference;
  enum class Flow { kNormal, kBreak, kContinue };
  using Variables = std::map<std::string, Value, std::less<>>;

  // Statements (interpreter.cc).
  Flow RunBody(const std::vector<StmtPtr>& body);
  Flow RunStmt(const Stmt& stmt);
  Flow RunIf(const Stmt& stmt);
  Flow RunScope(const Stmt& stmt);
  void RunOutput(const Stmt& stmt);
  void RunAssign(const Stmt& stmt);
  Flow RunAssignBlock(const Stmt& stmt);
  Flow RunFilterBlock(const Stmt& stmt);
  void RunBlock(const Stmt& stmt, const Variables* locals);
  void Write(std::string_view text);
  void WriteValue(const Value& value);
  Value Captured(std::string text) const;  // Markup while autoescape is on

  // Loops (interpreter_loops.cc).
  Flow RunFor(const Stmt& stmt);
  Flow RunLoop(const Stmt& stmt, const Value& iterable, Int depth);
  Value RunRecursive(const Stmt& stmt, const std::shared_ptr<Environment>& around,
                     const Value& iterable, Int depth);
  std::shared_ptr<Iterator> Filtered(const Stmt& stmt, const Value& iterable);
  bool Passes(const Stmt& stmt, const Value& item);

  // Macros (interpreter_macros.cc).
  Value NewMacro(const Stmt& stmt);
  void RunCallBlock(const Stmt& stmt);
  Value CallMacro(const Stmt& stmt, const std::shared_ptr<Environment>& closure,
                  Arguments& arguments);
  std::vector<Value> BindMacro(const Stmt& stmt, Arguments& arguments) const;

  // Variables.
  Value& Slot(VariableRef ref);
  void Enter(const Frame& frame);
  void Leave(const Frame& frame);
  Value Resolve(std::string_view name) const;  // kMissing if there is none
  void Assign(const Expr& target, const Value& value);
  void AssignTest(const Stmt& stmt, const Expr& target, const Value& value);
  void Export(const Expr& target);
  void RequireNamespaces(const Expr& target);
  std::shared_ptr<Environment> NewEnvironment(uint32_t slots, std::shared_ptr<Environment> around);
  void Keep(const std::shared_ptr<Environment>& environment);
  void DefineGlobals();

  // Expressions (interpreter_expressions.cc).
  Value Evaluate(const Expr& expr);
  Value EvaluateName(const Expr& expr);
  std::vector<Value> EvaluateAll(const std::vector<ExprPtr>& parts);
  Value EvaluateDict(const Expr& expr);
  Value EvaluateConcat(const Expr& expr);
  Value EvaluateCompare(const Expr& expr);
  Value EvaluateItem(const Expr& expr);
  Value EvaluateFilter(const Expr& expr);
  Value EvaluateTest(const Expr& expr);
  Value EvaluateConditional(const Expr& expr);
  Value EvaluateCall(const Expr& expr, const Value* caller);
  void EvaluateArguments(const CallParts& call, Arguments* arguments);

  const Program& program_;
  const Value variables_;
  const RunOptions options_;
  Variables globals_;
  Variables exported_;  // set at top level: what blocks see before variables_
  std::shared_ptr<Environment> environment_;
  std::string* out_ = nullptr;
  const Value* block_text_ = nullptr;  // what a filter without a subject works on
  bool autoescape_ = false;
  int line_ = 1;
  std::vector<std::shared_ptr<Environment>> kept_;
  std::vector<std::weak_ptr<Environment>> environments_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

}  // namespace quire::jinja
