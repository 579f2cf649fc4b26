// grammar/masks.h -- which tokens a stack allows, remembered.
//
//   stack --looks of its frames--> mask       (what was worked out before)
//   top state --look--> what is decided within its rule, and where tokens leave it
//
// A mask depends on the looks of a stack's frames only (A4 of automaton.h), so places that differ
// in nothing that a token can notice share one. What a token does inside a string, say, is worked
// out once for all strings: only tokens that leave the rule are tried anew for the stack below.
//
// Bounds   kMaxMaskBytes of masks; when they are full all are forgotten. A walk over the vocabulary
//          that takes more than kMaxWalkWork steps (a very ambiguous grammar) is cut short; tokens
//          of a single byte are tried in any case.
// Threads  any; what is missing may be worked out by two of them at once, and is the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "grammar/automaton.h"
#include "grammar/stacks.h"
#include "grammar/token_trie.h"

namespace quire {

inline constexpr size_t kMaxMaskBytes = size_t{4} << 20;
inline constexpr uint64_t kMaxWalkWork = 6000000;

// A set of tokens: listed where they are few.
class TokenSet {
 public:
  TokenSet() = default;
  explicit TokenSet(std::span<const uint64_t> words);
  void AddTo(std::span<uint64_t> words) const;
  size_t bytes() const { return few_.size() * sizeof(TokenId) + words_.size() * sizeof(uint64_t); }

 private:
  std::vector<TokenId> few_;
  std::vector<uint64_t> words_;
};

class Masks {
 public:
  Masks(const Automaton& automaton, const TokenTrie& trie) : automaton_(automaton), trie_(trie) {}

  // Adds the tokens with a text that `stack` allows.
  void Add(Stacks& stacks, Stack stack, std::span<uint64_t> allowed);
  bool Has(const Stacks& stacks, Stack stack) const;

 private:
  using Key = std::vector<uint32_t>;
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  // What can be said of a state without knowing what is below it.
  struct WithinRule {
    TokenSet allowed;                // whatever is below
    std::vector<uint32_t> subtrees;  // of the trie, whose tokens leave the rule
    uint32_t reach = 0;              // as if this stack were of height 1: the most that matters
    bool useful = false;
  };

  Key KeyOf(const Stacks& stacks, Stack stack) const;
  std::shared_ptr<const TokenSet> Find(const Key& key) const;
  std::shared_ptr<const WithinRule> Within(uint32_t state);
  WithinRule FindWithin(uint32_t state) const;
  TokenSet FindAllowed(Stacks& stacks, Stack stack);
  void TrySubtrees(Stacks& stacks, Stack stack, std::span<const uint32_t> subtrees,
                   std::span<uint64_t> allowed) const;
  void TryAll(Stacks& stacks, Stack stack, std::span<uint64_t> allowed) const;
  void TryBytes(Stacks& from, Stack stack, std::span<uint64_t> allowed) const;
  void MakeRoom(size_t bytes);

  const Automaton& automaton_;
  const TokenTrie& trie_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::unordered_map<Key, std::shared_ptr<const TokenSet>, KeyHash> by_looks_;
  std::unordered_map<uint32_t, std::shared_ptr<const WithinRule>> by_look_;
  size_t bytes_ = 0;
};

}  // namespace quire
