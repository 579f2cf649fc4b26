// grammar/stacks.h -- where a text can be in a grammar, and where one more byte takes it.
//
// A stack is a top state and the frames below it: states to go on in when the rules above have
// ended. Frames are nodes that stacks share; equal nodes are one. Calls and returns are followed
// only when a byte comes, so tops are always states that bytes have led to.
//
// A stack *holds* if it can go on to the end with single bytes (A3 of automaton.h for every frame).
// Stacks that do not hold may occur inside a token, never behind one.
//
// Unknown  the frame kUnknown stands for whatever is below: a step that would return into it notes
//          that and goes no further. So what a token does within one rule is found out for all
//          places the rule is called from (mask_cache.h).
//
// Threads  none. Cost: a step follows at most kMaxTries calls and returns.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "grammar/automaton.h"

namespace quire {

inline constexpr size_t kMaxStacks = 64;  // beyond, the later ones are given up

struct Stack {
  uint32_t state;
  uint32_t below;  // a node, or kNoNode
  bool operator==(const Stack&) const = default;
};

class Stacks {
 public:
  static constexpr uint32_t kNoNode = UINT32_MAX;
  static constexpr uint32_t kUnknown = 0;  // the node that stands for any

  struct Node {
    uint32_t state;
    uint32_t below;
    uint32_t height;  // frames up to and with this one; the unknown ones count 0
    uint32_t reach;   // the most of height + need, over this frame and those below
    bool ends;        // this state and all below are final
  };

  explicit Stacks(const Automaton& automaton);

  uint32_t Push(uint32_t state, uint32_t below);  // the node; the old one if there is an equal one
  const Node& node(uint32_t number) const { return nodes_[number]; }

  // Appends to `to` where `byte` takes `from`, each stack once, at most kMaxStacks in all.
  void Step(Stack from, uint8_t byte, std::vector<Stack>& to);

  uint32_t Reach(Stack stack) const;
  bool Holds(Stack stack) const { return Reach(stack) <= kMaxDepth; }
  bool MayEnd(Stack stack) const;
  uint32_t HeightOf(Stack stack) const;

  // Since the last Forget: a step returned into the unknown; gave up. Ever: the highest stack.
  bool met_unknown() const { return met_unknown_; }
  bool gave_up() const { return gave_up_; }
  uint32_t highest() const { return highest_; }
  void Forget();  // the first two

  // The same stack here as `stack` in `other`.
  Stack Copy(const Stacks& other, Stack stack);

  uint64_t work() const { return work_; }  // calls and returns followed, about; only grows

 private:
  void Try(Stack from, uint8_t byte, std::vector<Stack>& to);
  void Open(Stack stack, std::vector<Stack>& to);
  void Grow();

  const Automaton& automaton_;
  std::vector<Node> nodes_;
  std::vector<uint32_t> slots_;  // of nodes by (state, below); power of two, at most half full
  std::vector<Stack> open_;      // still to be tried in this step
  std::vector<Stack> tried_;
  bool met_unknown_ = false;
  bool gave_up_ = false;
  uint32_t highest_ = 0;
  uint64_t work_ = 0;
};

// Where all bytes of `text` take one stack; empty if nowhere.
void Walk(Stacks& stacks, Stack from, std::string_view text, std::vector<Stack>& to);

}  // namespace quire
