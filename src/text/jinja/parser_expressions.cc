// Expressions by precedence, and literals (parser.h).
#include <algorithm>

#include "text/jinja/parser.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/operators.h"

namespace quire::jinja {
namespace {

using Binary = Value (*)(const Value&, const Value&);

ExprPtr New(ExprKind kind, int line) { return std::make_unique<Expr>(kind, line); }

ExprPtr Pair(ExprKind kind, int line, ExprPtr left, ExprPtr right) {
  ExprPtr node = New(kind, line);
  node->parts.push_back(std::move(left));
  node->parts.push_back(std::move(right));
  return node;
}

bool IsComparison(const Token& token) {
  constexpr std::string_view kOps[] = {"==", "!=", "<", "<=", ">", ">="};
  return token.type == TokenType::kOperator &&
         std::find(std::begin(kOps), std::end(kOps), token.text) != std::end(kOps);
}

}  // namespace

ExprPtr Parser::Finish(ExprPtr node) const {
  int deepest = 0;
  const auto count = [&](const ExprPtr& part) {
    if (part) deepest = std::max(deepest, part->depth);
  };
  for (const ExprPtr& part : node->parts) count(part);
  for (const ExprPtr& part : node->call.positional) count(part);
  for (const auto& [name, part] : node->call.named) count(part);
  count(node->call.star);
  count(node->call.double_star);
  node->depth = deepest + 1;
  if (node->depth > kMaxExprDepth) Fail("the expression is nested too deeply", node->line);
  return node;
}

ExprPtr Parser::ParseExpression(bool conditional) {
  if (++expr_depth_ > kMaxExprDepth) Fail("the expression is nested too deeply");
  ExprPtr node = conditional ? ParseConditional() : ParseOr();
  --expr_depth_;
  return node;
}

ExprPtr Parser::ParseConditional() {
  int line = current().line;
  ExprPtr node = ParseOr();
  while (SkipName("if")) {
    ExprPtr result = New(ExprKind::kConditional, line);
    result->parts.push_back(ParseOr());
    result->parts.push_back(std::move(node));
    result->parts.push_back(SkipName("else") ? ParseExpression() : nullptr);
    node = Finish(std::move(result));
    line = current().line;
  }
  return node;
}

ExprPtr Parser::ParseOr() {
  int line = current().line;
  ExprPtr left = ParseAnd();
  while (SkipName("or")) {
    left = Finish(Pair(ExprKind::kOr, line, std::move(left), ParseAnd()));
    line = current().line;
  }
  return left;
}

ExprPtr Parser::ParseAnd() {
  int line = current().line;
  ExprPtr left = ParseNot();
  while (SkipName("and")) {
    left = Finish(Pair(ExprKind::kAnd, line, std::move(left), ParseNot()));
    line = current().line;
  }
  return left;
}

ExprPtr Parser::ParseNot() {
  if (!current().IsName("not")) return ParseCompare();
  ExprPtr node = New(ExprKind::kNot, Next().line);
  if (++expr_depth_ > kMaxExprDepth) Fail("the expression is nested too deeply");
  node->parts.push_back(ParseNot());
  --expr_depth_;
  return Finish(std::move(node));
}

ExprPtr Parser::ParseCompare() {
  const int line = current().line;
  ExprPtr first = ParseSum();
  ExprPtr node = New(ExprKind::kCompare, line);
  while (true) {
    if (IsComparison(current())) {
      node->comparisons.push_back(Next().text);
    } else if (SkipName("in")) {
      node->comparisons.emplace_back("in");
    } else if (current().IsName("not") && Look().IsName("in")) {
      Next();
      Next();
      node->comparisons.emplace_back("not in");
    } else {
      break;
    }
    node->parts.push_back(ParseSum());
  }
  if (node->parts.empty()) return first;
  node->parts.insert(node->parts.begin(), std::move(first));
  return Finish(std::move(node));
}

ExprPtr Parser::ParseSum() {
  int line = current().line;
  ExprPtr left = ParseConcat();
  while (current().IsOperator("+") || current().IsOperator("-")) {
    const Binary operation = Next().text == "+" ? Add : Subtract;
    left = Finish(Pair(ExprKind::kBinary, line, std::move(left), ParseConcat()));
    left->binary = operation;
    line = current().line;
  }
  return left;
}

ExprPtr Parser::ParseConcat() {
  const int line = current().line;
  ExprPtr first = ParseProduct();
  if (!current().IsOperator("~")) return first;
  ExprPtr node = New(ExprKind::kConcat, line);
  node->parts.push_back(std::move(first));
  while (SkipOperator("~")) node->parts.push_back(ParseProduct());
  return Finish(std::move(node));
}

ExprPtr Parser::ParseProduct() {
  int line = current().line;
  ExprPtr left = ParsePower();
  while (true) {
    Binary operation = nullptr;
    if (current().IsOperator("*")) operation = Multiply;
    if (current().IsOperator("/")) operation = Divide;
    if (current().IsOperator("//")) operation = FloorDivide;
    if (current().IsOperator("%")) operation = Modulo;
    if (operation == nullptr) return left;
    Next();
    left = Finish(Pair(ExprKind::kBinary, line, std::move(left), ParsePower()));
    left->binary = operation;
    line = current().line;
  }
}

ExprPtr Parser::ParsePower() {
  int line = current().line;
  ExprPtr left = ParseUnary(true);
  while (SkipOperator("**")) {
    left = Finish(Pair(ExprKind::kBinary, line, std::move(left), ParseUnary(true)));
    left->binary = Power;
    line = current().line;
  }
  return left;
}

ExprPtr Parser::ParseUnary(bool with_filter) {
  ExprPtr node;
  if (current().IsOperator("-") || current().IsOperator("+")) {
    const Token& token = Next();
    node = New(ExprKind::kUnary, token.line);
    node->unary = token.text == "-" ? Negate : Plus;
    if (++expr_depth_ > kMaxExprDepth) Fail("the expression is nested too deeply");
    node->parts.push_back(ParseUnary(false));
    --expr_depth_;
    node = Finish(std::move(node));
  } else {
    node = ParsePrimary(false);
  }
  node = ParsePostfix(std::move(node));
  return with_filter ? ParseFilterExpr(std::move(node)) : std::move(node);
}

ExprPtr Parser::ParsePrimary(bool namespaces) {
  const Token& token = current();
  if (token.type == TokenType::kName) {
    Next();
    const std::string& name = token.text;
    ExprPtr node = New(ExprKind::kConstant, token.line);
    if (name == "true" || name == "True" || name == "false" || name == "False") {
      node->constant = Value::Bool(name == "true" || name == "True");
    } else if (name == "none" || name == "None") {
      node->constant = Value::None();
    } else if (namespaces && SkipOperator(".")) {
      node = New(ExprKind::kNamespaceRef, token.line);
      node->name = name;
      node->attribute = ExpectName().text;
    } else {
      node = New(ExprKind::kName, token.line);
      node->name = name;
    }
    return node;
  }
  if (token.type == TokenType::kString) {
    std::string text;
    while (current().type == TokenType::kString) text += Next().text;
    ExprPtr node = New(ExprKind::kConstant, token.line);
    node->constant = Value::String(std::move(text));
    return node;
  }
  if (token.type == TokenType::kInteger || token.type == TokenType::kFloat) {
    ExprPtr node = New(ExprKind::kConstant, token.line);
    node->constant = Next().number;
    return node;
  }
  if (token.IsOperator("[")) return ParseList();
  if (token.IsOperator("{")) return ParseDict();
  if (!SkipOperator("(")) FailUnexpected();
  TupleRules rules;
  rules.parenthesised = true;
  ExprPtr node = ParseTuple(rules);
  ExpectOperator(")");
  return node;
}

ExprPtr Parser::ParseTuple(const TupleRules& rules) {
  int line = current().line;
  std::vector<ExprPtr> parts;
  bool is_tuple = false;
  while (true) {
    if (!parts.empty()) ExpectOperator(",");
    const bool end = current().type == TokenType::kVariableEnd ||
                     current().type == TokenType::kBlockEnd || current().IsOperator(")") ||
                     (!rules.end_name.empty() && current().IsName(rules.end_name));
    if (end) break;
    parts.push_back(rules.targets ? ParsePrimary(rules.namespaces)
                                  : ParseExpression(rules.conditional));
    if (!current().IsOperator(",")) break;
    is_tuple = true;
    line = current().line;
  }
  if (!is_tuple) {
    if (!parts.empty()) return std::move(parts[0]);
    if (!rules.parenthesised) Fail("Expected an expression");
  }
  ExprPtr node = New(ExprKind::kTuple, line);
  node->parts = std::move(parts);
  return Finish(std::move(node));
}

ExprPtr Parser::ParseList() {
  ExprPtr node = New(ExprKind::kList, ExpectOperator("[").line);
  while (!current().IsOperator("]")) {
    if (!node->parts.empty()) ExpectOperator(",");
    if (current().IsOperator("]")) break;
    node->parts.push_back(ParseExpression());
  }
  ExpectOperator("]");
  return Finish(std::move(node));
}

ExprPtr Parser::ParseDict() {
  ExprPtr node = New(ExprKind::kDict, ExpectOperator("{").line);
  while (!current().IsOperator("}")) {
    if (!node->parts.empty()) ExpectOperator(",");
    if (current().IsOperator("}")) break;
    node->parts.push_back(ParseExpression());
    ExpectOperator(":");
    node->parts.push_back(ParseExpression());
  }
  ExpectOperator("}");
  return Finish(std::move(node));
}

}  // namespace quire::jinja
