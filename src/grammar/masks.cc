#include "grammar/masks.h"

#include <algorithm>
#include <bit>
#include <string_view>

namespace quire {
namespace {

// Listing a token costs as much as 32 bits of a mask.
constexpr size_t kBitsPerListed = 32;
// More subtrees than this are as much work as the whole vocabulary.
constexpr size_t kMaxSubtrees = 4096;

void SetBit(std::span<uint64_t> words, TokenId token) {
  words[static_cast<size_t>(token) / 64] |= uint64_t{1} << static_cast<size_t>(token) % 64;
}

// Tries a part of the trie, in order. sets[d] is where the first d bytes of the path led.
class TrieWalk {
 public:
  TrieWalk(const TokenTrie& trie, Stacks& stacks)
      : trie_(trie), stacks_(stacks), sets_(trie.longest() + 1) {}

  void Begin(Stack stack) {
    sets_[0].assign(1, stack);
    path_ = {};
  }

  // Follows the bytes above `node`; false if they lead nowhere.
  bool GoTo(uint32_t node) {
    const TokenTrie::Node& to = trie_.nodes()[node];
    const std::string_view path =
        trie_.TextOf(trie_.FirstTokenBelow(node)).substr(0, to.depth - size_t{1});
    size_t depth = static_cast<size_t>(std::ranges::mismatch(path_, path).in1 - path_.begin());
    for (; depth < path.size(); ++depth) Step(depth, static_cast<uint8_t>(path[depth]));
    path_ = path;
    return !sets_[path.size()].empty();
  }

  // Calls visit(node, set) for the nodes [first, last) that lead somewhere; below a node only if
  // that returns true. Stops when the walk has become too long.
  template <typename Visit>
  void Run(uint32_t first, uint32_t last, const Visit& visit) {
    const auto nodes = trie_.nodes();
    for (uint32_t i = first; i < last;) {
      const TokenTrie::Node& node = nodes[i];
      Step(node.depth - size_t{1}, node.byte);
      const auto& set = sets_[node.depth];
      i = visit(i, set) && !set.empty() ? i + 1 : node.skip;
      if (stacks_.work() > kMaxWalkWork) return;
    }
  }

 private:
  void Step(size_t depth, uint8_t byte) {
    auto& to = sets_[depth + 1];
    to.clear();
    for (const Stack& stack : sets_[depth]) stacks_.Step(stack, byte, to);
  }

  const TokenTrie& trie_;
  Stacks& stacks_;
  std::vector<std::vector<Stack>> sets_;
  std::string_view path_;
};

// A visit that allows the tokens of nodes where a stack holds.
auto AllowIfItHolds(const Stacks& stacks, const TokenTrie& trie, std::span<uint64_t> allowed) {
  return [&stacks, &trie, allowed](uint32_t node, const std::vector<Stack>& set) {
    const auto tokens = trie.TokensAt(node);
    if (!tokens.empty() &&
        std::ranges::any_of(set, [&](const Stack& at) { return stacks.Holds(at); })) {
      for (const TokenId token : tokens) SetBit(allowed, token);
    }
    return true;
  };
}

}  // namespace

TokenSet::TokenSet(std::span<const uint64_t> words) {
  size_t count = 0;
  for (const uint64_t word : words) count += static_cast<size_t>(std::popcount(word));
  if (count * kBitsPerListed > words.size() * 64) {
    words_.assign(words.begin(), words.end());
    return;
  }
  few_.reserve(count);
  for (size_t i = 0; i < words.size(); ++i) {
    for (uint64_t rest = words[i]; rest != 0; rest &= rest - 1) {
      few_.push_back(static_cast<TokenId>(i * 64 + static_cast<size_t>(std::countr_zero(rest))));
    }
  }
}

void TokenSet::AddTo(std::span<uint64_t> words) const {
  for (size_t i = 0; i < words_.size(); ++i) words[i] |= words_[i];
  for (const TokenId token : few_) SetBit(words, token);
}

size_t Masks::KeyHash::operator()(const Key& key) const {
  uint64_t hash = key.size();
  for (const uint32_t look : key) {
    hash = (hash ^ look) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 31;
  }
  return hash;
}

Masks::Key Masks::KeyOf(const Stacks& stacks, Stack stack) const {
  Key key = {automaton_.state(stack.state).look};
  for (uint32_t at = stack.below; at != Stacks::kNoNode; at = stacks.node(at).below) {
    key.push_back(automaton_.state(stacks.node(at).state).look);
  }
  return key;
}

std::shared_ptr<const TokenSet> Masks::Find(const Key& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_looks_.find(key);
  return found == by_looks_.end() ? nullptr : found->second;
}

bool Masks::Has(const Stacks& stacks, Stack stack) const {
  return Find(KeyOf(stacks, stack)) != nullptr;
}

void Masks::Add(Stacks& stacks, Stack stack, std::span<uint64_t> allowed) {
  Key key = KeyOf(stacks, stack);
  if (const auto known = Find(key)) return known->AddTo(allowed);
  auto found = std::make_shared<const TokenSet>(FindAllowed(stacks, stack));
  found->AddTo(allowed);
  const std::lock_guard lock(mutex_);
  MakeRoom(found->bytes() + key.size() * sizeof(uint32_t));
  by_looks_.emplace(std::move(key), std::move(found));
}

// Makes room; what is forgotten is worked out again when it is needed.
void Masks::MakeRoom(size_t bytes) {
  if (bytes_ + bytes > kMaxMaskBytes) {
    by_looks_.clear();
    by_look_.clear();
    bytes_ = 0;
  }
  bytes_ += bytes;
}

TokenSet Masks::FindAllowed(Stacks& stacks, Stack stack) {
  std::vector<uint64_t> allowed(trie_.num_words());
  Stacks scratch(automaton_);
  const Stack copy = scratch.Copy(stacks, stack);
  const auto within = automaton_.state(stack.state).final ? nullptr : Within(stack.state);
  if (within && within->useful && scratch.HeightOf(copy) - 1 + within->reach <= kMaxDepth) {
    within->allowed.AddTo(allowed);
    TrySubtrees(scratch, copy, within->subtrees, allowed);
  } else {
    TryAll(scratch, copy, allowed);
  }
  if (scratch.work() > kMaxWalkWork) TryBytes(scratch, copy, allowed);
  return TokenSet(allowed);
}

void Masks::TrySubtrees(Stacks& stacks, Stack stack, std::span<const uint32_t> subtrees,
                        std::span<uint64_t> allowed) const {
  TrieWalk walk(trie_, stacks);
  walk.Begin(stack);
  const auto visit = AllowIfItHolds(stacks, trie_, allowed);
  for (const uint32_t subtree : subtrees) {
    if (walk.GoTo(subtree)) walk.Run(subtree, trie_.nodes()[subtree].skip, visit);
  }
}

void Masks::TryAll(Stacks& stacks, Stack stack, std::span<uint64_t> allowed) const {
  TrieWalk walk(trie_, stacks);
  walk.Begin(stack);
  walk.Run(0, static_cast<uint32_t>(trie_.nodes().size()), AllowIfItHolds(stacks, trie_, allowed));
}

// Tokens of one byte, of which at least one leads on (A3).
void Masks::TryBytes(Stacks& from, Stack stack, std::span<uint64_t> allowed) const {
  const auto nodes = trie_.nodes();
  for (uint32_t i = 0; i < nodes.size(); i = nodes[i].skip) {
    Stacks stacks(automaton_);
    std::vector<Stack> set;
    stacks.Step(stacks.Copy(from, stack), nodes[i].byte, set);
    AllowIfItHolds(stacks, trie_, allowed)(i, set);
  }
}

std::shared_ptr<const Masks::WithinRule> Masks::Within(uint32_t state) {
  const uint32_t look = automaton_.state(state).look;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_look_.find(look); found != by_look_.end()) return found->second;
  }
  auto found = std::make_shared<const WithinRule>(FindWithin(state));
  const std::lock_guard lock(mutex_);
  MakeRoom(found->allowed.bytes() + found->subtrees.size() * sizeof(uint32_t));
  by_look_.emplace(look, found);
  return found;
}

Masks::WithinRule Masks::FindWithin(uint32_t state) const {
  WithinRule within;
  std::vector<uint64_t> allowed(trie_.num_words());
  Stacks stacks(automaton_);
  TrieWalk walk(trie_, stacks);
  walk.Begin({state, Stacks::kUnknown});
  uint32_t reach = 0;
  walk.Run(0, static_cast<uint32_t>(trie_.nodes().size()),
           [&](uint32_t node, const std::vector<Stack>& set) {
             if (stacks.met_unknown() || stacks.gave_up()) {
               within.subtrees.push_back(node);
               stacks.Forget();
               return false;
             }
             uint32_t least = kNeverEnds;
             for (const Stack& at : set) least = std::min(least, stacks.Reach(at));
             if (least < kNeverEnds) {
               const auto tokens = trie_.TokensAt(node);
               if (!tokens.empty()) reach = std::max(reach, least);
               for (const TokenId token : tokens) SetBit(allowed, token);
             }
             return true;
           });
  within.reach = std::max(reach, stacks.highest());
  within.useful = within.subtrees.size() <= kMaxSubtrees && stacks.work() <= kMaxWalkWork;
  if (!within.useful) within.subtrees.clear();
  if (within.useful) within.allowed = TokenSet(allowed);
  return within;
}

}  // namespace quire
