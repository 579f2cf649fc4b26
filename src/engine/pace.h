// engine/pace.h -- how fast this machine is, measured: what bounds a step and answers "when?".
//
// A step that holds much prefill makes everybody wait: those who are being answered, a newcomer, a
// cancel. So no step is to take longer than the target between two tokens. Beside decodes prefill
// gets less: a step that takes twice and a half of what those alone take, so that a stream flows on
// evenly while somebody pastes a book; but never less than 16 rows, the weights' way from DRAM
// being the same for one row. How a prompt is cut never changes a bit of the answer.
//
// Threads  none: the engine thread owns it. Times are arguments, in seconds.
#pragma once

#include <cstdint>

namespace quire {

class Pace {
 public:
  // `target_seconds` 0: every step may be filled with prefill.
  Pace(uint32_t step_tokens, double target_seconds)
      : step_tokens_(step_tokens), target_seconds_(target_seconds) {}

  // A step took `seconds`, with so many rows of decodes and of prefill.
  struct Rows {
    uint32_t decode = 0;
    uint32_t prefill = 0;
  };
  void NoteStep(double seconds, const Rows& rows);
  // Between NoteBusy and NoteIdle there is work; ends are measured only then.
  void NoteBusy(double now_seconds);
  void NoteIdle();
  void NoteEnds(uint32_t choices, double now_seconds);  // that many ended together

  // Rows of prefill for the next step.
  uint32_t PrefillTokens(bool beside_decodes) const;

  // 0 where nothing was measured yet.
  double prefill_rows_per_second() const { return prefill_rows_per_second_; }
  double seconds_per_choice() const { return seconds_per_choice_; }

 private:
  const uint32_t step_tokens_;
  const double target_seconds_;
  double prefill_rows_per_second_ = 0;  // 0: not measured yet
  double decode_step_seconds_ = 0;      // of a step of decodes alone; 0: not measured yet
  double seconds_per_choice_ = 0;       // between ends of choices while there is work
  double last_end_seconds_ = -1;        // or when work began; -1: there is none
};

}  // namespace quire
