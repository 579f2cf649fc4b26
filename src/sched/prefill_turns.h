// sched/prefill_turns.h -- how the prefill of a step is divided among those with a prompt to read.
//
//   between owners  whoever's clock (fair_share.h) is furthest behind first
//   of one owner    the shortest work first; but half of the room is for the sequence whose rank
//                   (waiting_queue.h) is the earliest, which is a long one once it has waited long
//
// So a short prompt never waits for the end of a long one, and a long one is never stopped by any
// number of short ones: from the time its rank says on it has half of what its owner gets, in every
// second step at least.
//
// If a prompt ends in the step, whose first token somebody waits for, prompts that do not end get
// nothing beside it: a few rows of a long text cost as much as many. They are not left out twice in
// a row.
//
// Threads  none. Errors  none. Cost  n log n in those that have a prompt to read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sched/fair_share.h"
#include "sched/sequence.h"
#include "sched/step_room.h"

namespace quire {

class PrefillTurns {
 public:
  struct Limits {
    uint32_t rows = 0;        // that the step still has
    uint32_t logit_rows = 0;  // likewise
    uint32_t chunk = 0;       // tokens of one sequence
  };
  struct Chunk {
    Sequence* sequence;
    uint32_t num_tokens;
  };

  void Reserve(uint32_t sequences);  // so that Divide does not allocate

  // Of the running sequences those with more than one token to go. Updates their work_tokens. Not
  // empty if there is one, and a row. Valid until the next call.
  std::span<const Chunk> Divide(std::span<Sequence* const> running, const FairShare& share,
                                const StepRoom& room, const Limits& limits);

 private:
  void Give(Sequence& sequence, double room_tokens);
  uint32_t MostOf(const Sequence& sequence) const;

  std::vector<Sequence*> turns_;
  std::vector<Chunk> chunks_;
  StepRoom room_;
  Limits left_;
  double used_ = 0;            // of the room
  bool someone_ends_ = false;  // a prompt ends in the step
  bool left_out_ = false;      // somebody got nothing for that
  bool may_leave_out_ = true;
};

}  // namespace quire
