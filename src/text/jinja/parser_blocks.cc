// The rarer statements: macros, blocks, filters, other templates (parser.h).
#include <algorithm>

#include "text/jinja/parser.h"
#include "text/jinja/python/error.h"

namespace quire::jinja {

void Parser::ParseSignature(Stmt* node) {
  ExpectOperator("(");
  while (!current().IsOperator(")")) {
    if (!node->exprs.empty()) ExpectOperator(",");
    ExprPtr parameter = ParseNameTarget();
    parameter->use = NameUse::kParameter;
    if (SkipOperator("=")) {
      node->defaults.push_back(ParseExpression());
    } else if (!node->defaults.empty()) {
      Fail("non-default argument follows default argument");
    }
    const auto same = [&](const ExprPtr& other) { return other->name == parameter->name; };
    if (std::any_of(node->exprs.begin(), node->exprs.end(), same)) {
      Fail("duplicate argument '" + parameter->name + "' in function definition");
    }
    node->exprs.push_back(std::move(parameter));
  }
  ExpectOperator(")");
}

StmtPtr Parser::ParseMacro() {
  auto node = std::make_unique<Stmt>(StmtKind::kMacro, Next().line);
  node->name = ParseNameTarget()->name;
  ParseSignature(node.get());
  node->body = ParseBody({"endmacro"}, true);
  return node;
}

StmtPtr Parser::ParseCallBlock() {
  auto node = std::make_unique<Stmt>(StmtKind::kCallBlock, Next().line);
  if (current().IsOperator("(")) ParseSignature(node.get());
  node->value = ParseExpression();
  if (node->value->kind != ExprKind::kCall) Fail("expected call", node->line);
  node->body = ParseBody({"endcall"}, true);
  return node;
}

StmtPtr Parser::ParseGeneration() {
  auto node = std::make_unique<Stmt>(StmtKind::kCallBlock, Next().line);
  node->body = ParseBody({"endgeneration"}, true);
  return node;
}

StmtPtr Parser::ParseFilterBlock() {
  auto node = std::make_unique<Stmt>(StmtKind::kFilterBlock, Next().line);
  node->value = ParseFilters(nullptr, true);
  node->body = ParseBody({"endfilter"}, true);
  return node;
}

StmtPtr Parser::ParseBlock() {
  auto node = std::make_unique<Stmt>(StmtKind::kBlock, Next().line);
  node->name = ExpectName().text;
  node->scoped = SkipName("scoped");
  node->required = SkipName("required");
  node->body = ParseBody({"endblock"}, true);
  SkipName(node->name);
  if (node->required) {
    for (const StmtPtr& child : node->body) {
      const bool data = child->kind == StmtKind::kOutput &&
                        std::all_of(child->exprs.begin(), child->exprs.end(),
                                    [](const auto& e) { return e->kind == ExprKind::kData; });
      if (!data) Fail("Required blocks can only contain comments or whitespace");
    }
  }
  return node;
}

StmtPtr Parser::ParseAutoescape() {
  auto node = std::make_unique<Stmt>(StmtKind::kAutoescape, Next().line);
  node->value = ParseExpression();
  node->body = ParseBody({"endautoescape"}, true);
  return node;
}

StmtPtr Parser::ParsePrint() {
  auto node = std::make_unique<Stmt>(StmtKind::kOutput, Next().line);
  while (current().type != TokenType::kBlockEnd) {
    if (!node->exprs.empty()) ExpectOperator(",");
    node->exprs.push_back(ParseExpression());
  }
  return node;
}

void Parser::ParseContextWords() {
  const bool with = current().IsName("with") || current().IsName("without");
  if (!with || !Look().IsName("context")) return;
  Next();
  Next();
}

void Parser::ParseImportNames(Stmt* node) {
  while (true) {
    if (!node->imports.empty()) ExpectOperator(",");
    const size_t before = at_;
    ParseContextWords();
    if (at_ != before) return;
    std::string name = ParseNameTarget()->name;
    if (name.starts_with("_")) Fail("names starting with an underline can not be imported");
    if (SkipName("as")) name = ParseNameTarget()->name;
    node->imports.push_back(std::move(name));
    const size_t after = at_;
    ParseContextWords();
    if (at_ != after || !current().IsOperator(",")) return;
  }
}

// extends, include, import, from: parsed in full, refused when reached, since there is no loader.
StmtPtr Parser::ParseTemplateUse() {
  const Token& token = Next();
  auto node = std::make_unique<Stmt>(StmtKind::kTemplate, token.line);
  node->value = ParseExpression();
  if (token.text == "include") {
    if (current().IsName("ignore") && Look().IsName("missing")) {
      Next();
      Next();
    }
    ParseContextWords();
  } else if (token.text == "import") {
    ExpectName("as");
    node->imports.push_back(ParseNameTarget()->name);
    ParseContextWords();
  } else if (token.text == "from") {
    ExpectName("import");
    ParseImportNames(node.get());
  }
  return node;
}

}  // namespace quire::jinja
