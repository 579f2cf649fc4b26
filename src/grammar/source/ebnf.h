// grammar/source/ebnf.h -- grammars in (G)BNF as parts.
//
//   root  ::= "(" item ("," item)* ")"     # a comment
//   item  ::= [a-z]+ | root
//
// Rules `name ::= ...` (or `=`), an optional `;` behind; "..." and '...' with \n \t \r \\ \" \'
// \xHH \uHHHH; [classes] and [^classes]; . for any character but a line end; ( ), |, * + ? {n,m}.
// The start is the rule root, else start, else the first. Left recursion is refused by name.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/parts.h"

namespace quire {

Result<Part> AddEbnf(Parts& parts, std::string_view text);

}  // namespace quire
