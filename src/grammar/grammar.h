// grammar/grammar.h -- which tokens may come next, so that an answer is a text of a given form.
//
//   parts --Compile--> Grammar (shared, immutable) --GrammarState--> masks, one per step
//
// A grammar is a set of automata over bytes that call each other (automaton.h); a state is what is
// left of the calls: a few stacks. A token is allowed if its bytes lead to a stack from which
// single bytes of the vocabulary reach the end, so there is no dead end:
//
//   G1  a state that is not finished() allows at least one token besides those that end.
//   G2  a token is allowed exactly when Advance would take it.
//   G3  tokens that end an answer are allowed exactly when may_end(); control tokens only where
//       the grammar names them, or in free text.
//   G4  what was taken, up to any may_end() state, is a text of the grammar.
//
// An ambiguous grammar may be in many stacks at once; beyond kMaxStacks the later ones are given
// up, which narrows the grammar and breaks none of the above.
//
// Threads  a Grammar: any. A state: one thread at a time; copies are independent.
// Errors   Compile refuses with kInvalidArgument what is too large, too nested, left-recursive,
//          never ends or cannot be spelled by the vocabulary.
// Cost     Compile: bounded work (kMaxStates), some ms for a tool's schema. FillMask: some µs when
//          a state like this one was met before, else a walk over the vocabulary (ms).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"
#include "grammar/parts.h"
#include "grammar/token_trie.h"

namespace quire {

class GrammarState;
class MaskHelper;
class Stacks;
struct Stack;

class Grammar {
 public:
  // `helper`, if there is one, serves PrepareSoon as long as it lives.
  static Result<std::shared_ptr<const Grammar>> Compile(
      const Parts& parts, Part root, std::shared_ptr<const TokenTrie> trie,
      const std::shared_ptr<MaskHelper>& helper = nullptr);
  ~Grammar();
  Grammar(const Grammar&) = delete;
  Grammar& operator=(const Grammar&) = delete;

  const TokenTrie& trie() const;
  size_t num_states() const;
  size_t bytes() const;  // of memory at most, the kept masks included

 private:
  friend class GrammarState;
  struct Impl;
  explicit Grammar(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class GrammarState {
 public:
  explicit GrammarState(std::shared_ptr<const Grammar> grammar);  // before the first token

  // Takes a token; false, and nothing changes, if it is not allowed. Tokens that end an answer are
  // never taken.
  bool Advance(TokenId token);

  bool may_end() const { return may_end_; }    // what was taken is complete
  bool finished() const { return finished_; }  // and nothing can follow

  // Sets the bits of the allowed tokens and clears all others; `allowed` [trie().num_words()].
  void FillMask(std::span<uint64_t> allowed) const;

  // Makes the next FillMask of a state like this one cheap.
  void Prepare() const;
  void PrepareSoon() const;  // by the helper, if that is worth while
  bool prepared() const;     // FillMask will not walk the vocabulary

  const Grammar& grammar() const { return *grammar_; }

  struct Frame {
    uint32_t state;
    uint32_t parent;  // index of an earlier frame, or kNoFrame
    bool operator==(const Frame&) const = default;
  };
  static constexpr uint32_t kNoFrame = UINT32_MAX;

 private:
  void Store(const Stacks& stacks, std::span<const Stack> reached);
  void Settle();

  std::shared_ptr<const Grammar> grammar_;
  std::vector<Frame> frames_;   // parents before children, no two equal
  std::vector<uint32_t> tops_;  // the stacks
  bool may_end_ = false;
  bool finished_ = false;
};

}  // namespace quire
