#include "text/jinja/parser.h"

#include <algorithm>

#include "text/jinja/python/error.h"

namespace quire::jinja {
namespace {

std::string Describe(const Token& token) {
  switch (token.type) {
    case TokenType::kEnd:
      return "end of template";
    case TokenType::kBlockEnd:
      return "end of statement block";
    case TokenType::kVariableEnd:
      return "end of print statement";
    case TokenType::kBlockBegin:
      return "begin of statement block";
    case TokenType::kVariableBegin:
      return "begin of print statement";
    case TokenType::kData:
      return "template data / text";
    default:
      return token.text;
  }
}

}  // namespace

const Token& Parser::Next() {
  const Token& token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

void Parser::Fail(const std::string& message, int line) const {
  throw TemplateError(Fault::kSyntax, message, line == 0 ? current().line : line);
}

void Parser::FailUnexpected() const { Fail("unexpected '" + Describe(current()) + "'"); }

bool Parser::SkipName(std::string_view name) {
  if (!current().IsName(name)) return false;
  Next();
  return true;
}

bool Parser::SkipOperator(std::string_view op) {
  if (!current().IsOperator(op)) return false;
  Next();
  return true;
}

void Parser::Expect(TokenType type, std::string_view what) {
  if (current().type != type) {
    Fail("expected token '" + std::string(what) + "', got '" + Describe(current()) + "'");
  }
  Next();
}

const Token& Parser::ExpectName() {
  const Token& token = current();
  Expect(TokenType::kName, "name");
  return token;
}

void Parser::ExpectName(std::string_view name) {
  if (!SkipName(name)) {
    Fail("expected token '" + std::string(name) + "', got '" + Describe(current()) + "'");
  }
}

const Token& Parser::ExpectOperator(std::string_view op) {
  const Token& token = current();
  if (!SkipOperator(op)) {
    Fail("expected token '" + std::string(op) + "', got '" + Describe(current()) + "'");
  }
  return token;
}

std::vector<StmtPtr> Parser::Parse() { return ParseUntil({}); }

// Statements up to a tag that starts with one of `end_names`, which stays current.
Parser::Body Parser::ParseUntil(Names end_names) {
  Body body;
  StmtPtr output;
  const auto print = [&](ExprPtr expr) {
    if (!output) output = std::make_unique<Stmt>(StmtKind::kOutput, expr->line);
    output->exprs.push_back(std::move(expr));
  };
  const auto flush = [&] {
    if (output) body.push_back(std::move(output));
  };
  while (current().type != TokenType::kEnd) {
    if (current().type == TokenType::kData) {
      auto data = std::make_unique<Expr>(ExprKind::kData, current().line);
      data->constant = Value::String(Next().text);
      print(std::move(data));
    } else if (current().type == TokenType::kVariableBegin) {
      Next();
      print(ParseTuple({}));
      Expect(TokenType::kVariableEnd, "end of print statement");
    } else if (current().type == TokenType::kBlockBegin) {
      flush();
      Next();
      const auto ends = [&](std::string_view name) { return current().IsName(name); };
      if (std::any_of(end_names.begin(), end_names.end(), ends)) return body;
      body.push_back(ParseStatement());
      Expect(TokenType::kBlockEnd, "end of statement block");
    } else {
      FailUnexpected();
    }
  }
  flush();
  return body;
}

// The rest of an opening tag, its body, and the word of the tag that ends it.
Parser::Body Parser::ParseBody(Names end_names, bool drop_end) {
  SkipOperator(":");
  Expect(TokenType::kBlockEnd, "end of statement block");
  if (++stmt_depth_ > kMaxStmtDepth) Fail("statements are nested too deeply");
  Body body = ParseUntil(end_names);
  --stmt_depth_;
  if (current().type == TokenType::kEnd) {
    std::string wanted;
    for (const std::string_view name : end_names) {
      wanted += (wanted.empty() ? "'" : " or '") + std::string(name) + "'";
    }
    Fail("Unexpected end of template. Jinja was looking for the following tags: " + wanted + ".");
  }
  if (drop_end) Next();
  return body;
}

StmtPtr Parser::ParseStatement() {
  const Token& token = current();
  if (token.type != TokenType::kName) Fail("tag name expected");
  const std::string& tag = token.text;
  if (tag == "for") return ParseFor();
  if (tag == "if") return ParseIf();
  if (tag == "set") return ParseSet();
  if (tag == "with") return ParseWith();
  if (tag == "macro") return ParseMacro();
  if (tag == "call") return ParseCallBlock();
  if (tag == "generation") return ParseGeneration();
  if (tag == "filter") return ParseFilterBlock();
  if (tag == "block") return ParseBlock();
  if (tag == "autoescape") return ParseAutoescape();
  if (tag == "print") return ParsePrint();
  if (tag == "extends" || tag == "include" || tag == "import" || tag == "from") {
    return ParseTemplateUse();
  }
  if (tag == "break" || tag == "continue") {
    const StmtKind kind = tag == "break" ? StmtKind::kBreak : StmtKind::kContinue;
    return std::make_unique<Stmt>(kind, Next().line);
  }
  Fail("Encountered unknown tag '" + tag + "'.");
}

StmtPtr Parser::ParseFor() {
  auto node = std::make_unique<Stmt>(StmtKind::kFor, Next().line);
  TupleRules rules;
  rules.end_name = "in";
  node->target = ParseTarget(rules);
  ExpectName("in");
  TupleRules iterable;
  iterable.conditional = false;
  iterable.end_name = "recursive";
  node->value = ParseTuple(iterable);
  if (SkipName("if")) node->test = ParseExpression();
  node->recursive = SkipName("recursive");
  node->body = ParseBody({"endfor", "else"}, false);
  if (Next().text == "else") node->else_body = ParseBody({"endfor"}, true);
  return node;
}

StmtPtr Parser::ParseIf() {
  auto result = std::make_unique<Stmt>(StmtKind::kIf, Next().line);
  Stmt* node = result.get();
  TupleRules rules;
  rules.conditional = false;
  while (true) {
    node->test = ParseTuple(rules);
    node->body = ParseBody({"elif", "else", "endif"}, false);
    const Token& token = Next();
    if (token.text == "elif") {
      result->branches.push_back(std::make_unique<Stmt>(StmtKind::kIf, current().line));
      node = result->branches.back().get();
      continue;
    }
    if (token.text == "else") result->else_body = ParseBody({"endif"}, true);
    return result;
  }
}

StmtPtr Parser::ParseSet() {
  const int line = Next().line;
  TupleRules rules;
  rules.namespaces = true;
  ExprPtr target = ParseTarget(rules);
  const bool block = !SkipOperator("=");
  auto node = std::make_unique<Stmt>(block ? StmtKind::kAssignBlock : StmtKind::kAssign, line);
  node->target = std::move(target);
  if (block) {
    node->value = ParseFilters(nullptr, false);
    node->body = ParseBody({"endset"}, true);
  } else {
    node->value = ParseTuple({});
  }
  return node;
}

StmtPtr Parser::ParseWith() {
  auto node = std::make_unique<Stmt>(StmtKind::kWith, Next().line);
  while (current().type != TokenType::kBlockEnd) {
    if (!node->targets.empty()) ExpectOperator(",");
    ExprPtr target = ParseTarget({});
    SetUse(target.get(), NameUse::kParameter);
    node->targets.push_back(std::move(target));
    ExpectOperator("=");
    node->exprs.push_back(ParseExpression());
  }
  node->body = ParseBody({"endwith"}, true);
  return node;
}

void Parser::SetUse(Expr* target, NameUse use) {
  target->use = use;
  for (const ExprPtr& part : target->parts) {
    if (part) SetUse(part.get(), use);
  }
}

void Parser::RequireAssignable(const Expr& target) const {
  const bool tuple = target.kind == ExprKind::kTuple;
  constexpr std::string_view kReserved[] = {"true", "false", "none", "True", "False", "None"};
  const bool reserved =
      std::find(std::begin(kReserved), std::end(kReserved), target.name) != std::end(kReserved);
  if (target.kind == ExprKind::kName ? reserved
                                     : !tuple && target.kind != ExprKind::kNamespaceRef) {
    Fail("can't assign to this expression", target.line);
  }
  if (!tuple) return;
  for (const ExprPtr& part : target.parts) RequireAssignable(*part);
}

ExprPtr Parser::ParseTarget(const TupleRules& rules) {
  TupleRules target_rules = rules;
  target_rules.targets = true;
  ExprPtr target = ParseTuple(target_rules);
  SetUse(target.get(), NameUse::kStore);
  RequireAssignable(*target);
  return target;
}

ExprPtr Parser::ParseNameTarget() {
  const Token& token = ExpectName();
  auto target = std::make_unique<Expr>(ExprKind::kName, token.line);
  target->name = token.text;
  target->use = NameUse::kStore;
  RequireAssignable(*target);
  return target;
}

}  // namespace quire::jinja
