// grammar/nfa.h -- one rule of a grammar as states with many ways to go on.
//
// Built from the end: a part is given the state that follows it and returns where it begins. So
// equal parts with equal continuations are one, and choices that begin alike can be merged when the
// rule is made deterministic (determinize.h).
//
// Threads  none. Errors  false from Build when a bound is passed.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "grammar/byte_set.h"
#include "grammar/parts.h"

namespace quire {

inline constexpr size_t kMaxNfaStates = 60000;  // of all rules together

struct Nfa {
  struct ByteEdge {
    ByteSet bytes;
    uint32_t target;
  };
  struct CallEdge {
    uint32_t rule;
    uint32_t target;
  };
  struct State {
    std::vector<uint32_t> empty;  // targets that cost no byte
    std::vector<ByteEdge> bytes;
    std::vector<CallEdge> calls;
    bool final = false;
    bool free = false;  // in free text
  };
  std::vector<State> states;
  uint32_t start = 0;
};

// Which parts match the empty text, by part.
std::vector<bool> FindNullable(const Parts& parts);

// Turns parts into rules: those that are rules already, and bodies that are repeated so often that
// calling them is cheaper than copying.
class NfaBuilder {
 public:
  explicit NfaBuilder(const Parts& parts);

  // The number of the rule that is `part`; a new one is to be built.
  uint32_t RuleOf(Part part);
  uint32_t num_rules() const { return static_cast<uint32_t>(rules_.size()); }
  Part rule(uint32_t number) const { return rules_[number]; }

  // False: larger than the bounds allow.
  bool Build(uint32_t rule, Nfa& nfa);

 private:
  uint32_t AddState();
  uint32_t AddPart(Part part, uint32_t next);
  uint32_t AddLiteral(const std::string& text, uint32_t next);
  uint32_t AddRepeat(const Parts::Node& node, uint32_t next);
  uint32_t AddText(const Parts::Node& node, uint32_t next);
  uint32_t AddBoth(const Parts::Node& node, uint32_t next);
  uint32_t AddCall(Part part, uint32_t next);
  bool BuildAlone(Part part, Nfa& nfa);

  const Parts& parts_;
  const std::vector<bool> nullable_;
  std::vector<uint32_t> costs_;  // states of a part, about, by part
  std::unordered_map<uint32_t, uint32_t> rule_of_part_;
  std::vector<Part> rules_;
  Nfa* nfa_ = nullptr;                           // being built
  std::unordered_map<uint64_t, uint32_t> done_;  // (part, next) -> its beginning
  size_t num_states_ = 0;
  bool within_both_ = false;  // where nothing may be called
  bool failed_ = false;
};

}  // namespace quire
