// text/jinja/parser.h -- from tokens to the tree of ast.h, by jinja2's grammar.
//
// Errors  TemplateError(kSyntax) with the line; nesting beyond the limits of ast.h is one too.
// Cost    O(tokens).
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace quire::jinja {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  std::vector<StmtPtr> Parse();

 private:
  using Names = std::initializer_list<std::string_view>;
  using Body = std::vector<StmtPtr>;
  struct TupleRules {
    bool targets = false;     // only names and literals: an assignment's left side
    bool namespaces = false;  // ns.attribute counts as a target
    bool conditional = true;  // x if y else z allowed
    bool parenthesised = false;
    std::string_view end_name;
  };

  // The stream.
  const Token& current() const { return tokens_[at_]; }
  const Token& Look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& Next();
  bool SkipName(std::string_view name);
  bool SkipOperator(std::string_view op);
  const Token& ExpectName();
  void ExpectName(std::string_view name);
  const Token& ExpectOperator(std::string_view op);
  void Expect(TokenType type, std::string_view what);
  [[noreturn]] void Fail(const std::string& message, int line = 0) const;
  [[noreturn]] void FailUnexpected() const;

  // Statements (parser.cc, parser_blocks.cc).
  Body ParseUntil(Names end_names);
  Body ParseBody(Names end_names, bool drop_end);
  StmtPtr ParseStatement();
  StmtPtr ParseFor();
  StmtPtr ParseIf();
  StmtPtr ParseSet();
  StmtPtr ParseWith();
  StmtPtr ParseMacro();
  StmtPtr ParseCallBlock();
  StmtPtr ParseGeneration();
  StmtPtr ParseFilterBlock();
  StmtPtr ParseBlock();
  StmtPtr ParseAutoescape();
  StmtPtr ParsePrint();
  StmtPtr ParseTemplateUse();
  void ParseImportNames(Stmt* statement);
  void ParseContextWords();
  void ParseSignature(Stmt* statement);
  ExprPtr ParseTarget(const TupleRules& rules);
  ExprPtr ParseNameTarget();

  // Expressions (parser_expressions.cc, parser_postfix.cc).
  ExprPtr ParseExpression(bool conditional = true);
  ExprPtr ParseConditional();
  ExprPtr ParseOr();
  ExprPtr ParseAnd();
  ExprPtr ParseNot();
  ExprPtr ParseCompare();
  ExprPtr ParseSum();
  ExprPtr ParseConcat();
  ExprPtr ParseProduct();
  ExprPtr ParsePower();
  ExprPtr ParseUnary(bool with_filter);
  ExprPtr ParsePrimary(bool namespaces);
  ExprPtr ParseTuple(const TupleRules& rules);
  ExprPtr ParseList();
  ExprPtr ParseDict();
  ExprPtr ParsePostfix(ExprPtr node);
  ExprPtr ParseFilterExpr(ExprPtr node);
  ExprPtr ParseSubscript(ExprPtr node);
  ExprPtr ParseSubscribed();
  ExprPtr ParseCall(ExprPtr node);
  ExprPtr ParseFilters(ExprPtr node, bool inline_start);
  ExprPtr ParseTest(ExprPtr node);
  void ParseArguments(Expr* node);
  std::string ParseDottedName();

  void SetUse(Expr* target, NameUse use);
  void RequireAssignable(const Expr& target) const;
  ExprPtr Finish(ExprPtr node) const;  // computes and checks its depth

  const std::vector<Token> tokens_;
  size_t at_ = 0;
  int expr_depth_ = 0;
  int stmt_depth_ = 0;
};

}  // namespace quire::jinja
