#include "grammar/stacks.h"

#include <algorithm>
#include <string_view>

namespace quire {
namespace {

constexpr size_t kMaxTries = 1000;  // of one step; a first byte is found within kMaxCallChain
constexpr size_t kFirstSlots = 64;

size_t HashOf(uint32_t state, uint32_t below) {
  uint64_t hash = (uint64_t{state} << 32 | below) * 0x9E3779B97F4A7C15;
  return hash ^ hash >> 29;
}

template <typename T>
bool Contains(const std::vector<T>& values, const T& value) {
  return std::ranges::find(values, value) != values.end();
}

}  // namespace

Stacks::Stacks(const Automaton& automaton) : automaton_(automaton), slots_(kFirstSlots, kNoNode) {
  nodes_.push_back({.state = 0, .below = kNoNode, .height = 0, .reach = 0, .ends = false});
}

uint32_t Stacks::Push(uint32_t state, uint32_t below) {
  const size_t mask = slots_.size() - 1;
  size_t slot = HashOf(state, below) & mask;
  for (; slots_[slot] != kNoNode; slot = (slot + 1) & mask) {
    const Node& node = nodes_[slots_[slot]];
    if (node.state == state && node.below == below) return slots_[slot];
  }
  const Stack stack{state, below};
  const uint32_t number = static_cast<uint32_t>(nodes_.size());
  nodes_.push_back({.state = state,
                    .below = below,
                    .height = HeightOf(stack),
                    .reach = Reach(stack),
                    .ends = MayEnd(stack)});
  slots_[slot] = number;
  if (nodes_.size() * 2 > slots_.size()) Grow();
  return number;
}

void Stacks::Grow() {
  slots_.assign(slots_.size() * 2, kNoNode);
  const size_t mask = slots_.size() - 1;
  for (uint32_t i = 1; i < nodes_.size(); ++i) {
    size_t slot = HashOf(nodes_[i].state, nodes_[i].below) & mask;
    while (slots_[slot] != kNoNode) slot = (slot + 1) & mask;
    slots_[slot] = i;
  }
}

uint32_t Stacks::HeightOf(Stack stack) const {
  return stack.below == kNoNode ? 1 : nodes_[stack.below].height + 1;
}

uint32_t Stacks::Reach(Stack stack) const {
  const uint32_t own = HeightOf(stack) + automaton_.state(stack.state).need;
  return stack.below == kNoNode ? own : std::max(own, nodes_[stack.below].reach);
}

bool Stacks::MayEnd(Stack stack) const {
  return automaton_.state(stack.state).final &&
         (stack.below == kNoNode || nodes_[stack.below].ends);
}

void Stacks::Forget() {
  met_unknown_ = false;
  gave_up_ = false;
}

Stack Stacks::Copy(const Stacks& other, Stack stack) {
  std::vector<uint32_t> frames;  // from the top
  uint32_t below = kNoNode;
  for (uint32_t at = stack.below; at != kNoNode; at = other.node(at).below) {
    if (at == kUnknown) {
      below = kUnknown;
      break;
    }
    frames.push_back(other.node(at).state);
  }
  for (size_t i = frames.size(); i-- > 0;) below = Push(frames[i], below);
  return {stack.state, below};
}

void Stacks::Step(Stack from, uint8_t byte, std::vector<Stack>& to) {
  ++work_;
  if (to.size() >= kMaxStacks) {
    gave_up_ = true;
    return;
  }
  // Most steps: one way to go on, within the rule.
  open_.clear();
  Try(from, byte, to);
  if (open_.empty()) return;
  tried_.assign(1, from);
  size_t tries = 0;
  while (!open_.empty()) {
    const Stack next = open_.back();
    open_.pop_back();
    work_ += 1 + tried_.size() / 8;
    if (Contains(tried_, next)) continue;
    if (++tries > kMaxTries || to.size() >= kMaxStacks) {
      gave_up_ = true;
      return;
    }
    tried_.push_back(next);
    Try(next, byte, to);
  }
}

// What one stack does with the byte: goes on within its rule, into rules it can call, or back to
// the one below, which are tried next (calls first, in order).
void Stacks::Try(Stack from, uint8_t byte, std::vector<Stack>& to) {
  for (const Automaton::ByteEdge& edge : automaton_.bytes(from.state)) {
    if (byte < edge.first) break;
    if (byte > edge.last) continue;
    const Stack reached{edge.target, from.below};
    if (to.empty() || !Contains(to, reached)) to.push_back(reached);
    break;
  }
  if (automaton_.state(from.state).final) {
    if (from.below == kUnknown) {
      met_unknown_ = true;
    } else if (from.below != kNoNode) {
      open_.push_back({nodes_[from.below].state, nodes_[from.below].below});
    }
  }
  const auto calls = automaton_.calls(from.state);
  for (size_t i = calls.size(); i-- > 0;) {
    const Automaton::Rule& rule = automaton_.rule(calls[i].rule);
    if (!rule.first.Has(byte)) continue;
    const uint32_t below = calls[i].tail ? from.below : Push(calls[i].target, from.below);
    const Stack called{rule.start, below};
    const uint32_t height = HeightOf(called);
    highest_ = std::max(highest_, height);
    if (height <= kMaxDepth) open_.push_back(called);
  }
}

void Walk(Stacks& stacks, Stack from, std::string_view text, std::vector<Stack>& to) {
  to.assign(1, from);
  std::vector<Stack> next;
  for (const char c : text) {
    next.clear();
    for (const Stack& stack : to) stacks.Step(stack, static_cast<uint8_t>(c), next);
    to.swap(next);
    if (to.empty()) return;
  }
}

}  // namespace quire
