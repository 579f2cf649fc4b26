#include "grammar/determinize.h"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace quire {
namespace {

using Set = std::vector<uint32_t>;

struct SetHash {
  size_t operator()(const Set& set) const {
    uint64_t hash = 0x9E3779B97F4A7C15;
    for (const uint32_t state : set) hash = (hash ^ state) * 0xD6E8FEB86659FD93, hash ^= hash >> 32;
    return hash;
  }
};

// One run: sets of states of the rule, numbered as they are met.
class SubsetConstruction {
 public:
  SubsetConstruction(const Nfa& nfa, Dfa& dfa)
      : nfa_(nfa), dfa_(dfa), seen_(nfa.states.size(), 0) {}

  void Start() { Number({nfa_.start}); }
  size_t size() const { return sets_.size(); }

  // Fills the edges of state `number`; returns the work it was.
  size_t Expand(uint32_t number) {
    const Set& set = *sets_[number];
    work_ = set.size();
    byte_edges_.clear();
    std::map<uint32_t, Set> calls;
    for (const uint32_t member : set) {
      const Nfa::State& state = nfa_.states[member];
      dfa_.states[number].final |= state.final;
      dfa_.states[number].free |= state.free;
      for (const Nfa::ByteEdge& edge : state.bytes) byte_edges_.push_back(&edge);
      for (const Nfa::CallEdge& edge : state.calls) calls[edge.rule].push_back(edge.target);
    }
    AddByteEdges(number);
    for (auto& [rule, targets] : calls) {
      const uint32_t target = Number(std::move(targets));
      dfa_.states[number].calls.push_back({rule, target});
    }
    return work_;
  }

 private:
  // Bytes between two neighbouring limits are told apart by no edge.
  void AddByteEdges(uint32_t number) {
    std::vector<uint32_t> limits;
    for (const Nfa::ByteEdge* edge : byte_edges_) AddLimits(edge->bytes, limits);
    std::ranges::sort(limits);
    limits.erase(std::ranges::unique(limits).begin(), limits.end());
    std::vector<Dfa::ByteEdge> found;
    for (size_t i = 0; i + 1 < limits.size(); ++i) {
      const uint8_t first = static_cast<uint8_t>(limits[i]);
      const uint8_t last = static_cast<uint8_t>(limits[i + 1] - 1);
      Set targets;
      for (const Nfa::ByteEdge* edge : byte_edges_) {
        if (edge->bytes.Has(first)) targets.push_back(edge->target);
      }
      work_ += byte_edges_.size();
      if (targets.empty()) continue;
      const uint32_t target = Number(std::move(targets));
      if (!found.empty() && found.back().target == target && found.back().last + 1 == first) {
        found.back().last = last;
      } else {
        found.push_back({first, last, target});
      }
    }
    dfa_.states[number].bytes = std::move(found);
  }

  static void AddLimits(const ByteSet& bytes, std::vector<uint32_t>& limits) {
    for (uint32_t at = bytes.NextFrom(0, true); at < 256;) {
      const uint32_t end = bytes.NextFrom(at, false);
      limits.insert(limits.end(), {at, end});
      at = bytes.NextFrom(end, true);
    }
  }

  // The number of the set of all states that `from` reaches without a byte.
  uint32_t Number(Set from) {
    ++round_;
    Set closure;
    while (!from.empty()) {
      const uint32_t state = from.back();
      from.pop_back();
      if (seen_[state] == round_) continue;
      seen_[state] = round_;
      const Nfa::State& nfa_state = nfa_.states[state];
      if (nfa_state.final || nfa_state.free || !nfa_state.bytes.empty() ||
          !nfa_state.calls.empty()) {
        closure.push_back(state);
      }
      from.insert(from.end(), nfa_state.empty.begin(), nfa_state.empty.end());
      work_ += 1;
    }
    std::ranges::sort(closure);
    work_ += 4 * closure.size();
    const auto [at, added] =
        numbers_.try_emplace(std::move(closure), static_cast<uint32_t>(sets_.size()));
    if (added) {
      sets_.push_back(&at->first);
      dfa_.states.emplace_back();
    }
    return at->second;
  }

  const Nfa& nfa_;
  Dfa& dfa_;
  std::vector<uint32_t> seen_;  // in which round, by state of the rule
  uint32_t round_ = 0;
  size_t work_ = 0;
  std::unordered_map<Set, uint32_t, SetHash> numbers_;
  std::vector<const Set*> sets_;  // keys of numbers_, which do not move
  std::vector<const Nfa::ByteEdge*> byte_edges_;
};

}  // namespace

bool Determinizer::Charge(size_t work, size_t states) {
  work_ += work;
  states_ += states;
  return work_ <= kMaxDeterminizeWork && states_ <= kMaxStates;
}

bool Determinizer::Run(const Nfa& nfa, Dfa& dfa) {
  SubsetConstruction construction(nfa, dfa);
  construction.Start();
  for (uint32_t number = 0; number < construction.size(); ++number) {
    const size_t before = construction.size();
    const size_t work = construction.Expand(number);
    if (!Charge(work, construction.size() - before)) return false;
  }
  return true;
}

bool Determinizer::Multiply(const Dfa& left, const Dfa& right, Dfa& both) {
  std::unordered_map<uint64_t, uint32_t> numbers;
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  const auto number_of = [&](uint32_t a, uint32_t b) {
    const auto [at, added] =
        numbers.try_emplace(uint64_t{a} << 32 | b, static_cast<uint32_t>(pairs.size()));
    if (added) {
      pairs.emplace_back(a, b);
      both.states.emplace_back();
    }
    return at->second;
  };
  number_of(0, 0);
  for (uint32_t number = 0; number < pairs.size(); ++number) {
    const size_t before = pairs.size();
    const Dfa::State& a = left.states[pairs[number].first];
    const Dfa::State& b = right.states[pairs[number].second];
    std::vector<Dfa::ByteEdge> edges;
    for (size_t i = 0, j = 0; i < a.bytes.size() && j < b.bytes.size();) {
      const uint8_t first = std::max(a.bytes[i].first, b.bytes[j].first);
      const uint8_t last = std::min(a.bytes[i].last, b.bytes[j].last);
      if (first <= last) {
        edges.push_back({first, last, number_of(a.bytes[i].target, b.bytes[j].target)});
      }
      (a.bytes[i].last < b.bytes[j].last ? i : j) += 1;
    }
    both.states[number].final = a.final && b.final;
    if (!Charge(edges.size() + 1, pairs.size() - before)) return false;
    both.states[number].bytes = std::move(edges);
  }
  return true;
}

}  // namespace quire
