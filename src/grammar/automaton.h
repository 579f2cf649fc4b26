// grammar/automaton.h -- the compiled form of a grammar: automata over bytes that call each other.
//
//   rule 0 = the root          state --bytes--> state
//   a state may be final:      state --call of a rule--> state, once the rule has come to an end
//
// A stack of states is where a text is: the innermost rule's state, and where to go on in each that
// called. Invariants of a compiled automaton:
//   A1  every edge leads to a state from which its rule can end.
//   A2  no rule calls itself before its first byte; at most kMaxCallChain rules call each other so.
//   A3  need(s) is the smallest height, in frames, with which the rule of s can be brought to its
//       end from s with single bytes of the vocabulary (and control tokens); kNeverEnds if it
//       cannot. A stack all of whose frames fit, depth + need <= kMaxDepth, can thus always go on.
//   A4  states with the same look allow the same tokens, if the stacks below them do.
//
// Threads  immutable. Errors: kInvalidArgument from Compile. Cost: bounds of determinize.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "grammar/byte_set.h"
#include "grammar/determinize.h"
#include "grammar/parts.h"
#include "grammar/token_trie.h"

namespace quire {

inline constexpr uint32_t kMaxDepth = 160;  // frames of a stack
inline constexpr uint32_t kMaxCallChain = 400;
inline constexpr uint16_t kNeverEnds = UINT16_MAX;
// The shortest text of a grammar: an answer that must be longer is none.
inline constexpr uint32_t kMaxShortestBytes = 1u << 16;

class Automaton {
 public:
  using ByteEdge = Dfa::ByteEdge;
  struct CallEdge {
    uint32_t rule;
    uint32_t target;
    bool tail;  // nothing can follow at the target: it needs no frame
  };
  struct State {
    uint32_t first_byte;  // into byte edges; up to those of the next state
    uint32_t first_call;
    uint32_t look;
    uint16_t need;
    bool final;
    bool free;  // in free text: control tokens change nothing here
  };
  struct Rule {
    uint32_t start;
    ByteSet first;  // the bytes it can begin with
  };

  static Result<Automaton> Compile(const Parts& parts, Part root, const TokenTrie& trie);

  const State& state(uint32_t number) const { return states_[number]; }
  std::span<const ByteEdge> bytes(uint32_t state) const {
    return std::span(bytes_).subspan(states_[state].first_byte,
                                     states_[state + 1].first_byte - states_[state].first_byte);
  }
  std::span<const CallEdge> calls(uint32_t state) const {
    return std::span(calls_).subspan(states_[state].first_call,
                                     states_[state + 1].first_call - states_[state].first_call);
  }
  const Rule& rule(uint32_t number) const { return rules_[number]; }
  uint32_t start() const { return rules_[0].start; }
  uint32_t num_states() const { return static_cast<uint32_t>(states_.size() - 1); }
  uint32_t num_rules() const { return static_cast<uint32_t>(rules_.size()); }
  size_t bytes_of_memory() const;

 private:
  void Flatten(std::span<const Dfa> rules);
  Status CheckRecursion(std::span<const std::string> names) const;
  // Lengths of the shortest texts; drops what can never end.
  uint32_t Prune();
  uint32_t FindFirstBytes();  // and how many rules call each other before a first byte
  void FindNeeds(const TokenTrie& trie);
  void FindLooks(uint32_t rounds);

  std::vector<State> states_;  // and one behind the last
  std::vector<ByteEdge> bytes_;
  std::vector<CallEdge> calls_;
  std::vector<Rule> rules_;
};

}  // namespace quire
