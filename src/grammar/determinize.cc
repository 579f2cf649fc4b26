#include "grammar/determinize.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
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
    const Set set = *sets_[number];
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
    return work_ + set.size();
  }

 private:
  // Bytes that no edge tells apart have the same class; 0 is no edge at all.
  uint32_t Classify(std::array<uint32_t, 256>& class_of) const {
    uint32_t num_classes = 1;
    std::vector<uint32_t> split;
    for (const Nfa::ByteEdge* edge : byte_edges_) {
      split.assign(num_classes, 0);
      for (uint32_t byte = 0; byte < 256; ++byte) {
        if (!edge->bytes.Has(static_cast<uint8_t>(byte))) continue;
        uint32_t& part = split[class_of[byte]];
        if (part == 0) part = num_classes++;
        class_of[byte] = part;
      }
    }
    return num_classes;
  }

  void AddByteEdges(uint32_t number) {
    work_ = byte_edges_.size();
    if (byte_edges_.empty()) return;
    std::array<uint32_t, 256> class_of{};
    std::vector<uint32_t> targets(Classify(class_of), UINT32_MAX);
    std::vector<Dfa::ByteEdge> found;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      if (class_of[byte] == 0) continue;
      const uint8_t value = static_cast<uint8_t>(byte);
      uint32_t& target = targets[class_of[byte]];
      if (target == UINT32_MAX) target = NumberAfter(value);
      if (!found.empty() && found.back().target == target && found.back().last + 1 == value) {
        found.back().last = value;
      } else {
        found.push_back({value, value, target});
      }
    }
    dfa_.states[number].bytes = std::move(found);
  }

  uint32_t NumberAfter(uint8_t byte) {
    Set targets;
    for (const Nfa::ByteEdge* edge : byte_edges_) {
      if (edge->bytes.Has(byte)) targets.push_back(edge->target);
    }
    work_ += byte_edges_.size();
    return Number(std::move(targets));
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
