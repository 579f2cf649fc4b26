#include "grammar/automaton.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <numeric>
#include <string>

#include "grammar/nfa.h"
#include "grammar/shortest.h"

namespace quire {
namespace {

constexpr size_t kMaxLookWork = 2500000;   // above, every state has a look of its own
constexpr uint32_t kManyBytes = 1u << 30;  // where lengths stop growing

std::unexpected<Error> TooLarge() {
  return Refuse(ErrorCode::kInvalidArgument,
                fmt::format("the grammar is too large: it needs more than {} states, or more work "
                            "to build than they are worth; use fewer alternatives, smaller repeat "
                            "counts or simpler patterns",
                            kMaxStates));
}

Result<std::vector<Dfa>> BuildRules(NfaBuilder& builder, Part root) {
  std::vector<Dfa> rules;
  Determinizer determinizer;
  builder.RuleOf(root);
  for (uint32_t rule = 0; rule < builder.num_rules(); ++rule) {
    Nfa nfa;
    Dfa dfa;
    if (!builder.Build(rule, nfa) || !determinizer.Run(nfa, dfa)) return TooLarge();
    rules.push_back(std::move(dfa));
  }
  return rules;
}

std::vector<std::string> NamesOf(const Parts& parts, const NfaBuilder& builder) {
  std::vector<std::string> names;
  for (uint32_t rule = 0; rule < builder.num_rules(); ++rule) {
    const Parts::Node& node = parts.node(builder.rule(rule));
    names.push_back(node.kind == Parts::Kind::kRule ? node.text : std::string("a repeated part"));
  }
  return names;
}

uint64_t Mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0xD6E8FEB86659FD93;
  return hash ^ hash >> 32;
}

}  // namespace

Result<Automaton> Automaton::Compile(const Parts& parts, Part root, const TokenTrie& trie) {
  if (parts.overflowed()) return TooLarge();
  NfaBuilder builder(parts);
  QUIRE_TRY(const std::vector<Dfa> rules, BuildRules(builder, root));
  Automaton automaton;
  automaton.Flatten(rules);
  const Status recursion = automaton.CheckRecursion(NamesOf(parts, builder));
  if (!recursion) return std::unexpected(recursion.error());
  const uint32_t shortest = automaton.Prune();
  if (shortest == kUnreachable) {
    return Refuse(ErrorCode::kInvalidArgument, "no text satisfies the grammar: it never ends");
  }
  if (shortest > kMaxShortestBytes) {
    return Refuse(
        ErrorCode::kInvalidArgument,
        fmt::format("the shortest text of the grammar has more than {} bytes", kMaxShortestBytes));
  }
  const uint32_t chain = automaton.FindFirstBytes();
  automaton.FindNeeds(trie);
  const State& start = automaton.state(automaton.start());
  if (start.need >= kMaxDepth || chain > kMaxCallChain) {
    return Refuse(ErrorCode::kInvalidArgument,
                  start.need == kNeverEnds
                      ? std::string("the tokens of this model cannot spell any text of the grammar")
                      : fmt::format("the grammar nests deeper than {} levels", kMaxDepth));
  }
  automaton.FindLooks(trie.longest());
  return automaton;
}

void Automaton::Flatten(std::span<const Dfa> rules) {
  std::vector<uint32_t> starts;
  uint32_t next = 0;
  for (const Dfa& dfa : rules) {
    starts.push_back(next);
    next += static_cast<uint32_t>(dfa.states.size());
  }
  for (size_t rule = 0; rule < rules.size(); ++rule) {
    const auto& states = rules[rule].states;
    for (const Dfa::State& state : states) {
      states_.push_back({.first_byte = static_cast<uint32_t>(bytes_.size()),
                         .first_call = static_cast<uint32_t>(calls_.size()),
                         .look = 0,
                         .need = kNeverEnds,
                         .final = state.final,
                         .free = state.free});
      for (const Dfa::ByteEdge& edge : state.bytes) {
        bytes_.push_back({edge.first, edge.last, starts[rule] + edge.target});
      }
      for (const Dfa::CallEdge& edge : state.calls) {
        const Dfa::State& target = states[edge.target];
        const bool tail = target.final && target.bytes.empty() && target.calls.empty();
        calls_.push_back({edge.rule, starts[rule] + edge.target, tail});
      }
    }
    rules_.push_back({.start = starts[rule], .first = {}});
  }
  states_.push_back({.first_byte = static_cast<uint32_t>(bytes_.size()),
                     .first_call = static_cast<uint32_t>(calls_.size()),
                     .look = 0,
                     .need = kNeverEnds,
                     .final = false,
                     .free = false});
}

// A rule that matches the empty text was made skippable where it is called, so what a rule can call
// first is what its start calls.
Status Automaton::CheckRecursion(std::span<const std::string> names) const {
  std::vector<uint32_t> callers(num_rules(), 0);  // not yet known to be free of cycles
  for (const Rule& rule : rules_) {
    for (const CallEdge& call : calls(rule.start)) ++callers[call.rule];
  }
  std::vector<uint32_t> ready;
  for (uint32_t rule = 0; rule < num_rules(); ++rule) {
    if (callers[rule] == 0) ready.push_back(rule);
  }
  size_t done = 0;
  while (done < ready.size()) {
    for (const CallEdge& call : calls(rules_[ready[done++]].start)) {
      if (--callers[call.rule] == 0) ready.push_back(call.rule);
    }
  }
  if (ready.size() == num_rules()) return {};
  const auto bad = std::ranges::find_if(callers, [](uint32_t count) { return count > 0; });
  return Refuse(ErrorCode::kInvalidArgument,
                fmt::format("the rule '{}' is left-recursive: it can come back to itself before "
                            "its first byte; write a repetition instead",
                            names[static_cast<size_t>(bad - callers.begin())]));
}

uint32_t Automaton::Prune() {
  std::vector<CostEdge> edges;
  std::vector<uint32_t> finals;
  for (uint32_t state = 0; state < num_states(); ++state) {
    if (states_[state].final) finals.push_back(state);
    for (const ByteEdge& edge : bytes(state)) {
      edges.push_back({state, CostEdge::kNoCallee, edge.target});
    }
    for (const CallEdge& edge : calls(state)) {
      edges.push_back({state, rules_[edge.rule].start, edge.target});
    }
  }
  const auto lengths = FindCheapest(
      num_states(), edges, finals, [](const CostEdge& edge, uint32_t callee, uint32_t target) {
        const uint32_t own = edge.callee == CostEdge::kNoCallee ? 1 : callee;
        return std::min(own + target, kManyBytes);
      });
  std::vector<ByteEdge> live_bytes;
  std::vector<CallEdge> live_calls;
  for (uint32_t state = 0; state < num_states(); ++state) {
    const auto old_bytes = bytes(state);
    const auto old_calls = calls(state);
    const uint32_t first_byte = static_cast<uint32_t>(live_bytes.size());
    const uint32_t first_call = static_cast<uint32_t>(live_calls.size());
    for (const ByteEdge& edge : old_bytes) {
      if (lengths[edge.target] != kUnreachable) live_bytes.push_back(edge);
    }
    for (const CallEdge& edge : old_calls) {
      if (lengths[edge.target] != kUnreachable &&
          lengths[rules_[edge.rule].start] != kUnreachable) {
        live_calls.push_back(edge);
      }
    }
    states_[state].first_byte = first_byte;
    states_[state].first_call = first_call;
  }
  states_.back().first_byte = static_cast<uint32_t>(live_bytes.size());
  states_.back().first_call = static_cast<uint32_t>(live_calls.size());
  bytes_ = std::move(live_bytes);
  calls_ = std::move(live_calls);
  return lengths[start()];
}

// Calls at the start of rules have no cycle, so every rule is asked for once.
uint32_t Automaton::FindFirstBytes() {
  std::vector<uint32_t> chains(num_rules(), 0);  // 0: not known yet
  std::vector<uint32_t> open;
  for (uint32_t root = 0; root < num_rules(); ++root) {
    open.push_back(root);
    while (!open.empty()) {
      const uint32_t rule = open.back();
      const uint32_t begin = rules_[rule].start;
      bool waits = false;
      for (const CallEdge& call : calls(begin)) {
        if (chains[call.rule] > 0) continue;
        open.push_back(call.rule);
        waits = true;
      }
      if (waits) continue;
      open.pop_back();
      chains[rule] = 1;
      ByteSet& first = rules_[rule].first;
      for (const ByteEdge& edge : bytes(begin)) first |= ByteSet::Range(edge.first, edge.last);
      for (const CallEdge& call : calls(begin)) {
        first |= rules_[call.rule].first;
        chains[rule] = std::max(chains[rule], chains[call.rule] + 1);
      }
    }
  }
  return std::ranges::max(chains);
}

namespace {

// Calls `reached(state)` with what each control token of the vocabulary leads to behind its lead.
void FollowControl(const Automaton& automaton, const TokenTrie& trie, uint32_t after_lead,
                   const std::function<void(uint32_t)>& reached) {
  struct Path {
    uint32_t state;
    uint32_t depth;
    uint32_t id;
  };
  std::vector<Path> open = {{after_lead, 1, 0}};
  while (!open.empty()) {
    const Path path = open.back();
    open.pop_back();
    if (path.depth == kControlBytes) {
      if (trie.IsControl(static_cast<TokenId>(path.id))) reached(path.state);
      continue;
    }
    for (const Automaton::ByteEdge& edge : automaton.bytes(path.state)) {
      for (uint32_t byte = edge.first; byte <= edge.last && byte < 0x80; ++byte) {
        open.push_back({edge.target, path.depth + 1, path.id << 7 | byte});
      }
    }
  }
}

}  // namespace

void Automaton::FindNeeds(const TokenTrie& trie) {
  std::vector<CostEdge> edges;
  std::vector<uint32_t> finals;
  for (uint32_t state = 0; state < num_states(); ++state) {
    if (states_[state].final) finals.push_back(state);
    const auto add = [&](uint32_t target) {
      edges.push_back({state, CostEdge::kNoCallee, target});
    };
    for (const ByteEdge& edge : bytes(state)) {
      bool spelled = false;
      for (uint32_t byte = edge.first; byte <= edge.last && !spelled; ++byte) {
        spelled = trie.single_bytes().Has(static_cast<uint8_t>(byte));
      }
      if (spelled) add(edge.target);
      if (edge.last == kControlLead) FollowControl(*this, trie, edge.target, add);
    }
    for (const CallEdge& edge : calls(state)) {
      edges.push_back({state, rules_[edge.rule].start, edge.target, edge.tail});
    }
  }
  const auto needs = FindCheapest(num_states(), edges, finals,
                                  [](const CostEdge& edge, uint32_t callee, uint32_t target) {
                                    if (edge.callee == CostEdge::kNoCallee) return target;
                                    return std::max(edge.tail ? callee : callee + 1, target);
                                  });
  for (uint32_t state = 0; state < num_states(); ++state) {
    states_[state].need = static_cast<uint16_t>(std::min<uint32_t>(needs[state], kNeverEnds));
  }
}

// Moore's refinement: after k rounds two states have the same look if no text of up to k bytes
// tells them apart. Tokens are no longer, so it may stop there: most places of a long counted
// string are then the same.
void Automaton::FindLooks(uint32_t rounds) {
  if (size_t{num_states()} * rounds > kMaxLookWork) {
    for (uint32_t state = 0; state < num_states(); ++state) states_[state].look = state;
    return;
  }
  std::vector<uint64_t> looks(num_states());
  std::vector<uint64_t> next(num_states());
  for (uint32_t state = 0; state < num_states(); ++state) {
    const State& of = states_[state];
    looks[state] = Mix(uint64_t{of.need} << 2 | uint64_t{of.final} << 1 | uint64_t{of.free}, 1);
  }
  const auto count = [](std::vector<uint64_t> values) {
    std::ranges::sort(values);
    return static_cast<size_t>(std::ranges::unique(values).begin() - values.begin());
  };
  size_t distinct = count(looks);
  for (uint32_t round = 0; round < rounds; ++round) {
    for (uint32_t state = 0; state < num_states(); ++state) {
      uint64_t look = looks[state];
      const auto edges = bytes(state);
      for (size_t i = 0; i < edges.size();) {
        const uint64_t target = looks[edges[i].target];
        const uint8_t first = edges[i].first;
        while (i + 1 < edges.size() && edges[i + 1].first == edges[i].last + 1 &&
               looks[edges[i + 1].target] == target) {
          ++i;
        }
        look = Mix(look, target ^ (uint64_t{first} << 8 | edges[i].last));
        ++i;
      }
      for (const CallEdge& edge : calls(state)) {
        look = Mix(look, looks[edge.target] + (uint64_t{edge.rule} << 1 | uint64_t{edge.tail}));
      }
      next[state] = look;
    }
    looks.swap(next);
    if (!std::has_single_bit(round + 1)) continue;
    const size_t now = count(looks);
    if (now == distinct) break;  // a round that splits nothing is followed by none that does
    distinct = now;
  }
  std::vector<uint64_t> sorted = looks;
  std::ranges::sort(sorted);
  for (uint32_t state = 0; state < num_states(); ++state) {
    states_[state].look =
        static_cast<uint32_t>(std::ranges::lower_bound(sorted, looks[state]) - sorted.begin());
  }
}

size_t Automaton::bytes_of_memory() const {
  return states_.size() * sizeof(State) + bytes_.size() * sizeof(ByteEdge) +
         calls_.size() * sizeof(CallEdge) + rules_.size() * sizeof(Rule);
}

}  // namespace quire
