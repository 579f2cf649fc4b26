// engine/pace.h -- how fast this machine is, measured: what bounds a step and answers "when?".
//
// A step that holds much prefill makes everybody wait: those who are being answered, a newcomer, a
// cancel. So no step is to take longer than the target between two tokens. Beside decodes prefill
// gets less: a step that takes eight times what those alone take, so that a stream flows on evenly
// while somebody pastes a book, who waits a seventh longer, and some for steps being smaller; but
// never less than what one block costs at the beginning of a text. Where decodes alone fill the
// target, prefill gets a quarter of their time all the same, and as much as they where its tenant
// is behind in its share. How a prompt is cut never changes a bit of the answer.
//
// But small steps of a long text are dear: each reads all weights, and its rows share no reading of
// what is before them. So where nobody is being answered, and nobody has come for a while, a step
// may take a twentieth of that while, up to eight targets: it is left when somebody comes.
//
// A step is left between two layers for work that is short beside it, and only in its first half:
// then the newcomer wins more than is lost. The step after one that was left is not left again, so
// two thirds of the time at least go into steps that are computed to their end. A longer step is
// left for a newcomer until half a target remains, and for anybody's news until a target does: what
// is lost is a twentieth at most, see above. The one after it is no longer than the target, so it
// need not be left.
//
// Threads  none: the engine thread owns it. Times are arguments, in seconds.
#pragma once

#include <cstdint>

#include "engine/step_cost.h"
#include "sched/step_room.h"

namespace quire {

class Pace {
 public:
  // `target_seconds` 0: every step may be filled with prefill.
  Pace(uint32_t step_tokens, double target_seconds)
      : step_tokens_(step_tokens), target_seconds_(target_seconds) {}

  // A step of this shape took `seconds`; so many of its rows were prefill.
  void NoteStep(double seconds, const StepShape& shape, uint32_t prefill_rows);
  void NoteBusy(double now_seconds);  // somebody has come
  // That many ended together that say how long answers are, and their tokens in all.
  struct Answered {
    uint32_t choices = 0;
    uint64_t tokens = 0;
  };
  void NoteEnds(const Answered& answered);

  // What prefill a step that begins now may hold, beside such decodes.
  StepRoom Room(const StepShape& decodes, bool prefill_is_behind, double now_seconds) const;

  // Whether to leave a step that has run for `elapsed_seconds`, for `newcomer`.
  bool IsWorthLeaving(const StepShape& step, double elapsed_seconds,
                      const StepShape& newcomer) const;
  // More than a target remains of a step that has run for `elapsed_seconds`.
  bool HasLongToGo(const StepShape& step, double elapsed_seconds) const;
  void NoteLeft(double now_seconds);  // somebody's news were worth more

  // 0 where nothing was measured yet.
  double prefill_rows_per_second() const { return prefill_rows_per_second_; }
  double tokens_per_choice() const { return tokens_per_choice_; }
  // Of a step that only decodes, and so is its shape.
  double SecondsPerToken(const StepShape& decodes) const;

 private:
  const uint32_t step_tokens_;
  const double target_seconds_;
  StepCost cost_;
  bool left_last_ = false;              // the last step was left for a newcomer
  double prefill_rows_per_second_ = 0;  // 0: not measured yet
  double tokens_per_choice_ = 0;        // that were generated
  double last_came_seconds_ = 0;
  double last_pause_seconds_ = 0;  // before that
};

}  // namespace quire
