// grammar/determinize.h -- one rule of a grammar with one way to go on per byte and per call.
//
// Calls stay as they are: which of a byte and several calls to take is only known at run time, by
// trying them (stacks.h).
//
// Threads  none. Errors  false when a bound is passed; bounds hold for all runs of one Determinizer
//          together. Cost  proportional to the bounds at most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "grammar/nfa.h"

namespace quire {

inline constexpr size_t kMaxStates = 24000;
inline constexpr size_t kMaxDeterminizeWork = 2500000;  // states and edges looked at

struct Dfa {
  struct ByteEdge {
    uint8_t first;
    uint8_t last;
    uint32_t target;
  };
  struct CallEdge {
    uint32_t rule;
    uint32_t target;
  };
  struct State {
    std::vector<ByteEdge> bytes;  // disjoint, ascending
    std::vector<CallEdge> calls;  // one per rule, ascending
    bool final = false;
    bool free = false;
  };
  std::vector<State> states;  // 0 is the start
};

class Determinizer {
 public:
  bool Run(const Nfa& nfa, Dfa& dfa);

  // The texts of both, which call nothing.
  bool Multiply(const Dfa& left, const Dfa& right, Dfa& both);

 private:
  bool Charge(size_t work, size_t states);

  size_t work_ = 0;
  size_t states_ = 0;
};

}  // namespace quire
