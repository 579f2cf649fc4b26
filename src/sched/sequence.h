// sched/sequence.h -- one answer being produced: its tokens, its blocks, how far it is.
//
//   waiting --admit--> running --end--> gone
//      ^                  |
//      +----- preempt ----+     blocks released, tokens kept
//
// Prefill and decode are not modes. A sequence has `tokens.size() - num_computed` tokens to go: one
// makes it a decode, more a prefill chunk.
//
// A request with n choices is n sequences. Choice 0 leads: it computes the prompt; the others start
// when it has, and share its full blocks. A sequence also waits for another one of its scope that
// is computing enough blocks it can use.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "base/token_id.h"
#include "cache/block_names.h"
#include "cache/block_table.h"
#include "cache/ids.h"
#include "cache/scope.h"
#include "sched/handling.h"

namespace quire {

// What is asked of the scheduler for one request.
struct SequenceSpec {
  OwnerId owner = kFirstOwner;  // who pays, and whose turn it is; the scope's own
  Scope scope;
  BlockNames::PublicPrefix public_prefix;  // that the prompt begins with
  TickMs arrival = 0;
  std::vector<TokenId> prompt;  // not empty
  uint32_t max_tokens = 1;      // per choice; 0: the prompt is computed and nothing chosen
  uint32_t choices = 1;
  bool lookup = true;     // may use blocks of the prefix cache
  bool store = true;      // leaves its full blocks in the prefix cache
  bool all_rows = false;  // choice 0 wants the logits of every prompt token, so looks nothing up
  Handling handling;
  TickMs keep_ms = 0;      // how long its blocks are the last of their owner's to be evicted
  TickMs pin_ms = 0;       // how long they are not evicted at all, if the owner may pin so many
  uint64_t pin_group = 0;  // for Scheduler::Unpin
};

struct SequenceCounts {
  uint32_t cached_tokens = 0;    // that need not be computed, as of its first planned item
  uint32_t brought_tokens = 0;   // of those, from another server or a file, and read first by this
  uint32_t computed_prompt = 0;  // prompt tokens planned so far; those of a resume count again
  uint32_t peak_blocks = 0;
  uint32_t preemptions = 0;
  double block_seconds = 0;  // blocks held, over time, until the last plan
};

enum class SequenceState : uint8_t { kWaiting, kRunning };

struct Sequence {
  SequenceId id = kNoSequence;
  SequenceId leader = kNoSequence;  // of its request; itself for choice 0
  SequenceState state = SequenceState::kWaiting;
  bool lookup = true;
  bool store = true;
  Handling handling;

  TickMs arrival = 0;
  TickMs keep_ms = 0;
  TickMs await_ms = 0;  // how long its blocks are kept for a tool that will go on
  TickMs pin_ms = 0;
  uint64_t pin_group = 0;
  uint32_t work_tokens = 0;  // tokens to compute until the next one is chosen, as last known

  // While waiting: a sequence that is computing what this one needs, and how much of it. The
  // leader, for the other choices; else any of the same scope whose prompt begins alike.
  SequenceId awaits = kNoSequence;
  uint32_t awaited_tokens = 0;
  bool put_off = false;      // while waiting: not to be started in this step
  bool fetching = false;     // while waiting: until its blocks have come from below
  bool asked_below = false;  // since it last waited
  // Where it was put off: not to be tried with no more room than this.
  int64_t put_off_room = std::numeric_limits<int64_t>::min();
  uint32_t num_awaiters = 0;  // sequences that wait for this one

  std::shared_ptr<const std::vector<TokenId>> prompt;  // of all choices; until it is in `tokens`
  std::vector<TokenId> tokens;  // the prompt, then what was generated; empty before it may start
  BlockNames names;             // of the full blocks of `tokens`; knows the scope
  uint32_t num_prompt = 0;
  uint32_t max_tokens = 0;
  uint32_t num_computed = 0;  // tokens whose KV is in `table`
  // Logits of positions before this one are not wanted, or were given already.
  uint32_t first_logit_row = 0;
  bool has_run = false;  // an item of it was planned
  BlockTable table;
  SequenceCounts counts;

  OwnerId owner() const { return table.owner(); }
  uint32_t num_tokens() const { return static_cast<uint32_t>(tokens.size()); }
  uint32_t num_generated() const { return num_tokens() - num_prompt; }
  uint32_t num_to_go() const { return num_tokens() - num_computed; }
};

// The choice of a request that a sequence is.
struct ChoiceOf {
  SequenceId leader;
  uint32_t choice;
};
// A waiting sequence without its prompt, which has `num_prompt` tokens.
std::unique_ptr<Sequence> MakeSequence(const SequenceSpec& spec, uint32_t num_prompt,
                                       const ChoiceOf& place);

}  // namespace quire
