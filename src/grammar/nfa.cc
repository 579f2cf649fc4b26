#include "grammar/nfa.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "grammar/determinize.h"

namespace quire {
namespace {

using Kind = Parts::Kind;

constexpr uint32_t kMaxCost = 1u << 30;
// Copies of a body together: above, a body becomes a rule that is called.
constexpr uint64_t kMaxCopiedStates = 96;
constexpr uint32_t kLeastCalledStates = 3;

// How many children must match the empty text before the node does.
uint32_t NullableNeeds(const Parts::Node& node) {
  switch (node.kind) {
    case Kind::kLiteral:
      return node.text.empty() ? 0 : 1;
    case Kind::kText:
      return node.through ? 1 : 0;
    case Kind::kSequence:
    case Kind::kBoth:
      return static_cast<uint32_t>(node.children.size());
    case Kind::kRepeat:
      return node.least == 0 ? 0 : 1;
    case Kind::kBytes:
    case Kind::kChoice:
    case Kind::kRule:
      return 1;
  }
  return 1;
}

std::vector<uint32_t> FindCosts(const Parts& parts) {
  std::vector<uint32_t> costs(parts.size(), 1);
  for (uint32_t i = 0; i < parts.size(); ++i) {
    const Parts::Node& node = parts.node(Part{i});
    if (node.kind == Kind::kRule) continue;
    uint64_t cost = 1 + node.text.size();
    for (const Part child : node.children) cost += costs[static_cast<size_t>(child)];
    if (node.kind == Kind::kRepeat) {
      cost *= node.most == kEndless ? uint64_t{node.least} + 1 : node.most;
    }
    costs[i] = static_cast<uint32_t>(std::min<uint64_t>(cost, kMaxCost));
  }
  return costs;
}

// Where a search for `marker` goes on after `matched` bytes of it and then `byte`.
std::vector<std::vector<uint32_t>> SearchTable(const std::string& marker) {
  std::vector<std::vector<uint32_t>> table(marker.size(), std::vector<uint32_t>(256, 0));
  table[0][static_cast<uint8_t>(marker[0])] = 1;
  uint32_t fallback = 0;
  for (uint32_t i = 1; i < marker.size(); ++i) {
    table[i] = table[fallback];
    const uint8_t byte = static_cast<uint8_t>(marker[i]);
    fallback = table[fallback][byte];
    table[i][byte] = i + 1;
  }
  return table;
}

}  // namespace

std::vector<bool> FindNullable(const Parts& parts) {
  std::vector<uint32_t> needs(parts.size());
  std::vector<std::vector<uint32_t>> parents(parts.size());
  std::vector<uint32_t> found;
  std::vector<bool> nullable(parts.size(), false);
  for (uint32_t i = 0; i < parts.size(); ++i) {
    const Parts::Node& node = parts.node(Part{i});
    needs[i] = NullableNeeds(node);
    if (needs[i] == 0) found.push_back(i);
    for (const Part child : node.children) parents[static_cast<size_t>(child)].push_back(i);
  }
  while (!found.empty()) {
    const uint32_t part = found.back();
    found.pop_back();
    if (nullable[part]) continue;
    nullable[part] = true;
    for (const uint32_t parent : parents[part]) {
      if (needs[parent] > 0 && --needs[parent] == 0) found.push_back(parent);
    }
  }
  return nullable;
}

NfaBuilder::NfaBuilder(const Parts& parts)
    : parts_(parts), nullable_(FindNullable(parts)), costs_(FindCosts(parts)) {}

uint32_t NfaBuilder::RuleOf(Part part) {
  const auto [at, added] = rule_of_part_.try_emplace(static_cast<uint32_t>(part), num_rules());
  if (added) rules_.push_back(part);
  return at->second;
}

bool NfaBuilder::Build(uint32_t rule, Nfa& nfa) {
  const Part part = rules_[rule];
  const Parts::Node& node = parts_.node(part);
  QUIRE_CHECK(node.kind != Kind::kRule || !node.children.empty(), "a rule was never defined");
  return BuildAlone(node.kind == Kind::kRule ? node.children[0] : part, nfa);
}

bool NfaBuilder::BuildAlone(Part part, Nfa& nfa) {
  Nfa* const outer = std::exchange(nfa_, &nfa);
  auto outer_done = std::exchange(done_, {});
  const uint32_t end = AddState();
  nfa.states[end].final = true;
  nfa.start = AddPart(part, end);
  nfa_ = outer;
  done_ = std::move(outer_done);
  return !failed_;
}

uint32_t NfaBuilder::AddState() {
  failed_ = failed_ || ++num_states_ > kMaxNfaStates;
  nfa_->states.emplace_back();
  return static_cast<uint32_t>(nfa_->states.size() - 1);
}

uint32_t NfaBuilder::AddPart(Part part, uint32_t next) {
  if (failed_) return next;
  const uint64_t key = uint64_t{static_cast<uint32_t>(part)} << 32 | next;
  if (const auto found = done_.find(key); found != done_.end()) return found->second;
  const Parts::Node& node = parts_.node(part);
  uint32_t begin = next;
  switch (node.kind) {
    case Kind::kLiteral:
      begin = AddLiteral(node.text, next);
      break;
    case Kind::kBytes:
      begin = AddState();
      nfa_->states[begin].bytes.push_back({node.bytes, next});
      break;
    case Kind::kSequence:
      for (size_t i = node.children.size(); i-- > 0;) begin = AddPart(node.children[i], begin);
      break;
    case Kind::kChoice:
      begin = AddState();
      for (const Part child : node.children) {
        const uint32_t target = AddPart(child, next);
        nfa_->states[begin].empty.push_back(target);
      }
      break;
    case Kind::kRepeat:
      begin = AddRepeat(node, next);
      break;
    case Kind::kBoth:
      begin = AddBoth(node, next);
      break;
    case Kind::kRule:
      begin = AddCall(part, next);
      break;
    case Kind::kText:
      begin = AddText(node, next);
      break;
  }
  done_.emplace(key, begin);
  return begin;
}

uint32_t NfaBuilder::AddLiteral(const std::string& text, uint32_t next) {
  for (size_t i = text.size(); i-- > 0 && !failed_;) {
    ByteSet byte;
    byte.Add(static_cast<uint8_t>(text[i]));
    const uint32_t begin = AddState();
    nfa_->states[begin].bytes.push_back({byte, next});
    next = begin;
  }
  return next;
}

uint32_t NfaBuilder::AddRepeat(const Parts::Node& node, uint32_t next) {
  const Part body = node.children[0];
  const bool endless = node.most == kEndless;
  const uint64_t copies = endless ? uint64_t{node.least} + 1 : node.most;
  const uint32_t cost = costs_[static_cast<size_t>(body)];
  const bool called =
      !within_both_ && copies > 1 && cost >= kLeastCalledStates && cost * copies > kMaxCopiedStates;
  const auto add = [&](uint32_t then) {
    return called ? AddCall(body, then) : AddPart(body, then);
  };
  uint32_t begin = next;
  if (endless) {
    begin = AddState();
    nfa_->states[begin].empty.push_back(next);
    const uint32_t round = add(begin);
    nfa_->states[begin].empty.push_back(round);
  }
  for (uint32_t i = node.least; !endless && i < node.most && !failed_; ++i) {
    const uint32_t more = add(begin);
    begin = AddState();
    nfa_->states[begin].empty = {more, next};
  }
  for (uint32_t i = 0; i < node.least && !failed_; ++i) begin = add(begin);
  return begin;
}

uint32_t NfaBuilder::AddCall(Part part, uint32_t next) {
  const uint32_t begin = AddState();
  nfa_->states[begin].calls.push_back({RuleOf(part), next});
  if (nullable_[static_cast<size_t>(part)]) nfa_->states[begin].empty.push_back(next);
  return begin;
}

uint32_t NfaBuilder::AddText(const Parts::Node& node, uint32_t next) {
  const auto table = SearchTable(node.text);
  std::vector<uint32_t> states;
  for (size_t i = 0; i < table.size(); ++i) {
    states.push_back(AddState());
    nfa_->states[states[i]].free = true;
    if (!node.through) nfa_->states[states[i]].empty.push_back(next);
  }
  for (size_t i = 0; i < table.size(); ++i) {
    std::vector<ByteSet> by_target(table.size() + 1);
    for (uint32_t byte = 0; byte < kFirstUnusedByte; ++byte) {
      by_target[table[i][byte]].Add(static_cast<uint8_t>(byte));
    }
    for (size_t target = 0; target <= table.size(); ++target) {
      if (by_target[target].empty() || (target == table.size() && !node.through)) continue;
      nfa_->states[states[i]].bytes.push_back(
          {by_target[target], target == table.size() ? next : states[target]});
    }
  }
  return states[0];
}

uint32_t NfaBuilder::AddBoth(const Parts::Node& node, uint32_t next) {
  const bool outer = std::exchange(within_both_, true);
  Nfa sides[2];
  const bool built =
      BuildAlone(node.children[0], sides[0]) && BuildAlone(node.children[1], sides[1]);
  within_both_ = outer;
  Determinizer determinizer;
  Dfa left, right, both;
  if (!built || !determinizer.Run(sides[0], left) || !determinizer.Run(sides[1], right) ||
      !determinizer.Multiply(left, right, both)) {
    failed_ = true;
    return next;
  }
  const uint32_t first = static_cast<uint32_t>(nfa_->states.size());
  for (const Dfa::State& state : both.states) {
    const uint32_t begin = AddState();
    if (failed_) return next;
    if (state.final) nfa_->states[begin].empty.push_back(next);
    for (const Dfa::ByteEdge& edge : state.bytes) {
      nfa_->states[begin].bytes.push_back(
          {ByteSet::Range(edge.first, edge.last), first + edge.target});
    }
  }
  return first;
}

}  // namespace quire
