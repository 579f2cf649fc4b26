// tests/sched/scheduler_harness.h -- the scheduler before a model that is a function of tokens.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "sched/scheduler.h"

namespace quire {

inline constexpr uint32_t kTokensPerBlock = 4;
inline constexpr uint32_t kAllPrefill = 1'000'000;

inline Scope AnyScope() {
  Scope scope;
  scope.root.bytes[0] = std::byte{1};
  return scope;
}

inline SequenceSpec Spec(std::vector<TokenId> prompt, uint32_t max_tokens, uint32_t choices = 1) {
  SequenceSpec spec;
  spec.scope = AnyScope();
  spec.prompt = std::move(prompt);
  spec.max_tokens = max_tokens;
  spec.choices = choices;
  return spec;
}

inline SequenceSpec SpecOf(OwnerId owner, std::vector<TokenId> prompt, uint32_t max_tokens) {
  SequenceSpec spec = Spec(std::move(prompt), max_tokens);
  spec.owner = owner;
  spec.scope.root.bytes[1] = static_cast<std::byte>(Index(owner));
  return spec;
}

// The next token as a function of all tokens before it: stands for the model.
inline TokenId NextToken(const std::vector<TokenId>& tokens) {
  uint32_t hash = 2166136261u;
  for (const TokenId token : tokens) hash = (hash ^ static_cast<uint32_t>(token)) * 16777619u;
  return static_cast<TokenId>((hash >> 8) % 3);
}

// A forward pass without arithmetic: it stores in each block which token was computed at which
// position, and refuses to compute a token unless all before it are there.
class FakeMemory {
 public:
  explicit FakeMemory(uint32_t capacity) : slots_(capacity * kTokensPerBlock) {}

  void Compute(const Sequence& sequence, const PlanItem& item) {
    for (uint32_t p = item.first_token; p < item.first_token + item.num_tokens; ++p) {
      At(sequence, p) = {sequence.tokens[p], p};
    }
    for (uint32_t p = 0; p < item.first_token + item.num_tokens; ++p) {
      ASSERT_EQ(At(sequence, p).token, sequence.tokens[p]) << "foreign or stale KV at " << p;
      ASSERT_EQ(At(sequence, p).position, p);
    }
  }

 private:
  struct Slot {
    TokenId token = kNoToken;
    uint32_t position = 0;
  };
  Slot& At(const Sequence& sequence, uint32_t position) {
    return slots_[Index(sequence.table[position / kTokensPerBlock]) * kTokensPerBlock +
                  position % kTokensPerBlock];
  }
  std::vector<Slot> slots_;
};

struct Harness {
  Harness(uint32_t blocks, const StepBudget& budget, uint32_t queue_limit = 8)
      : cache({.capacity_blocks = blocks, .block_tokens = kTokensPerBlock}),
        memory(blocks),
        scheduler(budget, queue_limit, cache) {}

  OwnerId AddOwner(const Quota& quota, const OwnerLimits& limits) {
    scheduler.AddOwner(limits);
    return cache.AddOwner(quota);
  }

  // Runs one step; false if there was nothing to do.
  bool Step(uint32_t prefill_tokens = kAllPrefill) {
    const auto plan = scheduler.Plan(now, prefill_tokens);
    if (plan.empty()) return false;
    std::vector<Choice> chosen;
    for (const PlanItem& item : plan) {
      const Sequence& sequence = scheduler.Get(item.sequence);
      memory.Compute(sequence, item);
      rows[item.sequence] += item.num_logit_rows;
      if (item.first) NoteFirst(sequence, item);
      if (item.completes) chosen.push_back(Choose(sequence));
    }
    sequences_in_step = static_cast<uint32_t>(plan.size());
    scheduler.Apply(chosen);
    return true;
  }

  // Whoever was preempted before anything was computed starts from what is cached now.
  void NoteFirst(const Sequence& sequence, const PlanItem& item) {
    EXPECT_EQ(sequence.counts.cached_tokens, item.first_token);
    preempted_before_first += sequence.counts.preemptions > 0;
  }

  Choice Choose(const Sequence& sequence) {
    if (sequence.max_tokens == 0) return Finish(sequence, {});
    std::vector<TokenId> tokens = sequence.tokens;
    tokens.push_back(NextToken(tokens));
    const bool last = sequence.num_generated() + 1 == sequence.max_tokens;
    return last ? Finish(sequence, tokens) : Choice{tokens.back(), false};
  }

  Choice Finish(const Sequence& sequence, const std::vector<TokenId>& tokens) {
    EXPECT_FALSE(ended.contains(sequence.id)) << "ended twice";
    ended[sequence.id] = tokens;
    counts[sequence.id] = sequence.counts;
    return Choice{kNoToken, true, await_ms};
  }

  void RunAll() {
    while (Step()) scheduler.CheckInvariants();
  }

  TickMs now = 0;
  TickMs await_ms = 0;  // of all that end
  KvCache cache;
  FakeMemory memory;
  Scheduler scheduler;
  std::map<SequenceId, std::vector<TokenId>> ended;
  std::map<SequenceId, SequenceCounts> counts;
  std::map<SequenceId, uint32_t> rows;
  uint32_t sequences_in_step = 0;
  uint32_t preempted_before_first = 0;
};

inline std::vector<TokenId> Continue(std::vector<TokenId> tokens, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) tokens.push_back(NextToken(tokens));
  return tokens;
}

inline std::vector<TokenId> Prompt(uint32_t length, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens(length);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % 3);
  return tokens;
}

}  // namespace quire
