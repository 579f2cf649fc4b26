// text/jinja/lexer.h -- cuts a template into tokens: the text between tags, and the words inside
// them.
//
// White space is settled here, as jinja2 does with trim_blocks and lstrip_blocks on: `-` eats it on
// its side of a tag, a block or comment tag alone on its line leaves nothing of the line behind,
// `+` keeps it; one newline at the very end is dropped, and \r\n and \r become \n.
//
// Errors  TemplateError(kSyntax) with the line.
// Cost    O(source).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/python/value.h"

namespace quire::jinja {

enum class TokenType {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,  // text says which
  kEnd,
};

struct Token {
  TokenType type;
  int line;
  std::string text;  // data, name, operator, or the contents of a string, its escapes resolved
  Value number;      // of kInteger and kFloat

  bool IsName(std::string_view name) const { return type == TokenType::kName && text == name; }
  bool IsOperator(std::string_view op) const { return type == TokenType::kOperator && text == op; }
};

// The last token is kEnd.
std::vector<Token> Tokenize(std::string_view source);

// Contents of a string literal with Python's escapes resolved.
std::string Unescape(std::string_view literal, int line);

}  // namespace quire::jinja
