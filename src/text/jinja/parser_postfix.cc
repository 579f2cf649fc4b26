// What follows a primary expression: subscripts, calls, filters and tests (parser.h).
#include "text/jinja/parser.h"
#include "text/jinja/python/error.h"

namespace quire::jinja {
namespace {

ExprPtr Wrap(ExprKind kind, int line, ExprPtr inner) {
  auto node = std::make_unique<Expr>(kind, line);
  node->parts.push_back(std::move(inner));
  return node;
}

}  // namespace

ExprPtr Parser::ParsePostfix(ExprPtr node) {
  while (true) {
    if (current().IsOperator(".") || current().IsOperator("[")) {
      node = ParseSubscript(std::move(node));
    } else if (current().IsOperator("(")) {
      node = ParseCall(std::move(node));
    } else {
      return node;
    }
  }
}

ExprPtr Parser::ParseFilterExpr(ExprPtr node) {
  while (true) {
    if (current().IsOperator("|")) {
      node = ParseFilters(std::move(node), false);
    } else if (current().IsName("is")) {
      node = ParseTest(std::move(node));
    } else if (current().IsOperator("(")) {
      node = ParseCall(std::move(node));
    } else {
      return node;
    }
  }
}

ExprPtr Parser::ParseSubscript(ExprPtr inner) {
  const Token& token = Next();
  if (token.text == ".") {
    const Token& attribute = Next();
    if (attribute.type == TokenType::kName) {
      ExprPtr node = Wrap(ExprKind::kAttribute, token.line, std::move(inner));
      node->name = attribute.text;
      return Finish(std::move(node));
    }
    if (attribute.type != TokenType::kInteger) Fail("expected name or number", attribute.line);
    ExprPtr node = Wrap(ExprKind::kItem, token.line, std::move(inner));
    node->parts.push_back(std::make_unique<Expr>(ExprKind::kConstant, attribute.line));
    node->parts[1]->constant = attribute.number;
    return Finish(std::move(node));
  }
  ExprPtr node = Wrap(ExprKind::kItem, token.line, std::move(inner));
  std::vector<ExprPtr> keys;
  while (!current().IsOperator("]")) {
    if (!keys.empty()) ExpectOperator(",");
    keys.push_back(ParseSubscribed());
  }
  ExpectOperator("]");
  if (keys.size() == 1) {
    node->parts.push_back(std::move(keys[0]));
  } else {
    auto tuple = std::make_unique<Expr>(ExprKind::kTuple, token.line);
    tuple->parts = std::move(keys);
    node->parts.push_back(Finish(std::move(tuple)));
  }
  return Finish(std::move(node));
}

ExprPtr Parser::ParseSubscribed() {
  const int line = current().line;
  ExprPtr start;
  if (!current().IsOperator(":")) {
    start = ParseExpression();
    if (!current().IsOperator(":")) return start;
  }
  Next();
  const auto at_end = [&] { return current().IsOperator("]") || current().IsOperator(","); };
  ExprPtr node = Wrap(ExprKind::kSlice, line, std::move(start));
  node->parts.push_back(!current().IsOperator(":") && !at_end() ? ParseExpression() : nullptr);
  node->parts.push_back(SkipOperator(":") && !at_end() ? ParseExpression() : nullptr);
  return Finish(std::move(node));
}

void Parser::ParseArguments(Expr* node) {
  const int line = ExpectOperator("(").line;
  CallParts& call = node->call;
  const auto ensure = [&](bool allowed) {
    if (!allowed) Fail("invalid syntax for function call expression", line);
  };
  bool first = true;
  while (!current().IsOperator(")")) {
    if (!first) {
      ExpectOperator(",");
      if (current().IsOperator(")")) break;
    }
    first = false;
    if (SkipOperator("*")) {
      ensure(!call.star && !call.double_star);
      call.star = ParseExpression();
    } else if (SkipOperator("**")) {
      ensure(!call.double_star);
      call.double_star = ParseExpression();
    } else if (current().type == TokenType::kName && Look().IsOperator("=")) {
      ensure(!call.double_star);
      const std::string& name = Next().text;
      Next();
      for (const auto& [other, value] : call.named) {
        if (other == name) Fail("keyword argument repeated: " + name, line);
      }
      call.named.emplace_back(name, ParseExpression());
    } else {
      ensure(!call.star && !call.double_star && call.named.empty());
      call.positional.push_back(ParseExpression());
    }
  }
  ExpectOperator(")");
}

ExprPtr Parser::ParseCall(ExprPtr inner) {
  ExprPtr node = Wrap(ExprKind::kCall, current().line, std::move(inner));
  ParseArguments(node.get());
  return Finish(std::move(node));
}

std::string Parser::ParseDottedName() {
  std::string name = ExpectName().text;
  while (SkipOperator(".")) name += "." + ExpectName().text;
  return name;
}

ExprPtr Parser::ParseFilters(ExprPtr node, bool inline_start) {
  while (inline_start || current().IsOperator("|")) {
    if (!inline_start) Next();
    inline_start = false;
    ExprPtr filter = Wrap(ExprKind::kFilter, current().line, std::move(node));
    filter->name = ParseDottedName();
    if (current().IsOperator("(")) ParseArguments(filter.get());
    node = Finish(std::move(filter));
  }
  return node;
}

ExprPtr Parser::ParseTest(ExprPtr inner) {
  const int line = Next().line;
  const bool negated = SkipName("not");
  ExprPtr node = Wrap(ExprKind::kTest, line, std::move(inner));
  node->name = ParseDottedName();
  const Token& token = current();
  const bool operand = token.type == TokenType::kName || token.type == TokenType::kString ||
                       token.type == TokenType::kInteger || token.type == TokenType::kFloat ||
                       token.IsOperator("[") || token.IsOperator("{");
  if (token.IsOperator("(")) {
    ParseArguments(node.get());
  } else if (operand && !token.IsName("else") && !token.IsName("or") && !token.IsName("and")) {
    if (token.IsName("is")) Fail("You cannot chain multiple tests with is");
    node->call.positional.push_back(ParsePostfix(ParsePrimary(false)));
  }
  node = Finish(std::move(node));
  if (!negated) return node;
  return Finish(Wrap(ExprKind::kNot, line, std::move(node)));
}

}  // namespace quire::jinja
