// text/jinja/binder.h -- completes a parsed template: slots for variables, functions for filters.
//
// Errors  TemplateError(kSyntax): what jinja2 refuses when compiling (unknown filters outside of
//         branches, `break` outside of a loop, assigning to `loop`, ...).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "text/jinja/ast.h"

namespace quire::jinja {

struct Program {
  std::vector<StmtPtr> body;
  Frame frame;
  FunctionLayout function;
  std::map<std::string, const Stmt*> blocks;
  bool uses_self = false;
  VariableRef self;
};

Program Bind(std::vector<StmtPtr> body);

}  // namespace quire::jinja
