#include "grammar/grammar.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "grammar/automaton.h"
#include "grammar/mask_helper.h"
#include "grammar/masks.h"
#include "grammar/stacks.h"

namespace quire {

struct Grammar::Impl {
  Impl(Automaton automaton_in, std::shared_ptr<const TokenTrie> trie_in,
       std::weak_ptr<MaskHelper> helper_in)
      : automaton(std::move(automaton_in)),
        trie(std::move(trie_in)),
        helper(std::move(helper_in)),
        masks(automaton, *trie) {}

  const Automaton automaton;
  const std::shared_ptr<const TokenTrie> trie;
  // Weak: the helper's queue holds grammars, whose end must not be its own.
  const std::weak_ptr<MaskHelper> helper;
  mutable Masks masks;
};

Grammar::Grammar(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Grammar::~Grammar() = default;

Result<std::shared_ptr<const Grammar>> Grammar::Compile(const Parts& parts, Part root,
                                                        std::shared_ptr<const TokenTrie> trie,
                                                        const std::shared_ptr<MaskHelper>& helper) {
  QUIRE_TRY(Automaton automaton, Automaton::Compile(parts, root, *trie));
  const bool says_something =
      !automaton.bytes(automaton.start()).empty() || !automaton.calls(automaton.start()).empty();
  if (!says_something && trie->ends().empty()) {
    return Refuse(ErrorCode::kInvalidArgument, "the grammar allows nothing but an empty answer");
  }
  return std::shared_ptr<const Grammar>(
      new Grammar(std::make_unique<Impl>(std::move(automaton), std::move(trie), helper)));
}

const TokenTrie& Grammar::trie() const { return *impl_->trie; }
size_t Grammar::num_states() const { return impl_->automaton.num_states(); }
size_t Grammar::bytes() const { return impl_->automaton.bytes_of_memory() + kMaxMaskBytes; }

namespace {

// The stacks of a state, as nodes to walk with; and back.
std::vector<Stack> Load(std::span<const GrammarState::Frame> frames, std::span<const uint32_t> tops,
                        Stacks& stacks) {
  std::vector<uint32_t> nodes;  // by frame
  std::vector<Stack> loaded;
  const auto node_of = [&](uint32_t frame) {
    return frame == GrammarState::kNoFrame ? Stacks::kNoNode : nodes[frame];
  };
  const size_t below_tops = frames.size() - tops.size();
  for (size_t i = 0; i < below_tops; ++i) {
    nodes.push_back(stacks.Push(frames[i].state, node_of(frames[i].parent)));
  }
  for (const uint32_t top : tops) {
    loaded.push_back({frames[top].state, node_of(frames[top].parent)});
  }
  return loaded;
}

// Whether single bytes, or control tokens, lead from `top` to where the end can be reached.
bool CanGoOn(const Automaton& automaton, const TokenTrie& trie, Stacks& stacks, Stack top) {
  std::vector<Stack> to;
  const auto holds = [&] {
    return std::ranges::any_of(to, [&](const Stack& stack) { return stacks.Holds(stack); });
  };
  for (uint32_t byte = 0; byte < kControlLead; ++byte) {
    to.clear();
    if (!trie.single_bytes().Has(static_cast<uint8_t>(byte))) continue;
    stacks.Step(top, static_cast<uint8_t>(byte), to);
    if (holds()) return true;
  }
  to.clear();
  stacks.Step(top, kControlLead, to);
  if (to.empty()) return automaton.state(top.state).free && !trie.controls().empty();
  for (const TokenId token : trie.controls()) {
    Walk(stacks, top, trie.TextOf(token), to);
    if (holds()) return true;
  }
  return false;
}

uint32_t StoreNode(const Stacks& stacks, uint32_t node,
                   std::vector<std::pair<uint32_t, uint32_t>>& stored,
                   std::vector<GrammarState::Frame>& frames) {
  std::vector<uint32_t> path;
  uint32_t parent = GrammarState::kNoFrame;
  for (uint32_t at = node; at != Stacks::kNoNode; at = stacks.node(at).below) {
    const auto found = std::ranges::find(stored, at, &std::pair<uint32_t, uint32_t>::first);
    if (found != stored.end()) {
      parent = found->second;
      break;
    }
    path.push_back(at);
  }
  for (size_t i = path.size(); i-- > 0;) {
    frames.push_back({stacks.node(path[i]).state, parent});
    parent = static_cast<uint32_t>(frames.size() - 1);
    stored.emplace_back(path[i], parent);
  }
  return parent;
}

}  // namespace

GrammarState::GrammarState(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
  frames_ = {{grammar_->impl_->automaton.start(), kNoFrame}};
  tops_ = {0};
  Settle();
}

bool GrammarState::Advance(TokenId token) {
  const Grammar::Impl& grammar = *grammar_->impl_;
  const std::string_view text = grammar.trie->TextOf(token);
  if (text.empty()) return false;
  Stacks stacks(grammar.automaton);
  std::vector<Stack> reached;
  std::vector<Stack> set;
  const auto add = [&](const Stack& stack) {
    if (stacks.Holds(stack) && std::ranges::find(reached, stack) == reached.end()) {
      reached.push_back(stack);
    }
  };
  // Each stack for itself, as the masks are made, so that none can push out the only one that
  // leads on.
  for (const Stack& from : Load(frames_, tops_, stacks)) {
    Walk(stacks, from, text, set);
    for (const Stack& stack : set) add(stack);
    const bool control = grammar.trie->IsControl(token);
    if (control && grammar.automaton.state(from.state).free) add(from);
  }
  if (reached.empty()) return false;
  if (reached.size() > kMaxStacks) reached.resize(kMaxStacks);
  Store(stacks, reached);
  Settle();
  return true;
}

void GrammarState::Store(const Stacks& stacks, std::span<const Stack> reached) {
  frames_.clear();
  tops_.clear();
  std::vector<std::pair<uint32_t, uint32_t>> stored;
  std::vector<uint32_t> parents;
  for (const Stack& stack : reached) {
    parents.push_back(StoreNode(stacks, stack.below, stored, frames_));
  }
  for (size_t i = 0; i < reached.size(); ++i) {
    tops_.push_back(static_cast<uint32_t>(frames_.size()));
    frames_.push_back({reached[i].state, parents[i]});
  }
}

void GrammarState::Settle() {
  const Grammar::Impl& grammar = *grammar_->impl_;
  Stacks stacks(grammar.automaton);
  const std::vector<Stack> tops = Load(frames_, tops_, stacks);
  may_end_ = std::ranges::any_of(tops, [&](const Stack& top) { return stacks.MayEnd(top); });
  finished_ = may_end_ && std::ranges::none_of(tops, [&](const Stack& top) {
                return CanGoOn(grammar.automaton, *grammar.trie, stacks, top);
              });
}

void GrammarState::FillMask(std::span<uint64_t> allowed) const {
  const Grammar::Impl& grammar = *grammar_->impl_;
  QUIRE_CHECK(allowed.size() == grammar.trie->num_words());
  std::ranges::fill(allowed, uint64_t{0});
  Stacks stacks(grammar.automaton);
  const auto add = [&](std::span<const TokenId> tokens) {
    for (const TokenId token : tokens) {
      allowed[static_cast<size_t>(token) / 64] |= uint64_t{1} << static_cast<size_t>(token) % 64;
    }
  };
  for (const Stack& top : Load(frames_, tops_, stacks)) {
    grammar.masks.Add(stacks, top, allowed);
    if (grammar.automaton.state(top.state).free) add(grammar.trie->controls());
  }
  if (may_end_) add(grammar.trie->ends());
}

void GrammarState::Prepare() const {
  std::vector<uint64_t> unused(grammar_->trie().num_words());
  FillMask(unused);
}

void GrammarState::PrepareSoon() const {
  const auto helper = grammar_->impl_->helper.lock();
  if (helper && !prepared()) helper->Submit(*this);
}

bool GrammarState::prepared() const {
  const Grammar::Impl& grammar = *grammar_->impl_;
  Stacks stacks(grammar.automaton);
  return std::ranges::all_of(Load(frames_, tops_, stacks),
                             [&](const Stack& top) { return grammar.masks.Has(stacks, top); });
}

}  // namespace quire
