// text/jinja/frame.h -- where the variables of a template live.
//
// jinja2 turns a template into Python functions (one for the template, each macro, call block,
// block and recursive loop) and each name into a local variable of one of them, decided when
// compiling. Quire keeps exactly that: a function's variables are slots of an Environment, a nested
// function sees those of the functions around it, and entering a scope (a loop's body, a with, ...)
// first loads its variables. So scoping has the same corner cases.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/jinja/python/value.h"

namespace quire::jinja {

// A slot of the running function (hops 0) or of one around it.
struct VariableRef {
  uint32_t hops = 0;
  uint32_t slot = 0;
};

struct Load {
  enum class Action {
    kParameter,  // set by whoever enters
    kResolve,    // look `name` up in the template's variables
    kAlias,      // start as a copy of `source`
    kUndefined,  // start with no value
  };
  Action action;
  uint32_t slot;
  std::string name;
  VariableRef source;
};

// What entering a scope loads; leaving it empties the same slots.
struct Frame {
  std::vector<Load> loads;
};

struct FunctionLayout {
  uint32_t num_slots = 0;
};

// One call of a function, alive as long as something that can be called later sees it.
struct Environment {
  Environment(uint32_t num_slots, std::shared_ptr<Environment> around)
      : slots(num_slots), parent(std::move(around)) {}
  std::vector<Value> slots;
  std::shared_ptr<Environment> parent;
  bool kept = false;  // the interpreter keeps it until the end (Interpreter::Keep)
};

}  // namespace quire::jinja
