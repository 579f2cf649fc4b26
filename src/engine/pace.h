// engine/pace.h -- how fast this machine is, measured: what bounds a step and answers "when?".
//
// A step that holds much prefill makes everybody wait: those who are being answered, a newcomer, a
// cancel. So prefill gets what takes about a tenth of a second, and less beside decodes. 48 rows
// already reach 80-95 % of the full rate, so little is lost. How a prompt is cut never changes a
// bit of the answer.
//
// Threads  none: the engine thread owns it. Times are arguments, in seconds.
#pragma once

#include <cstdint>

namespace quire {

class Pace {
 public:
  // `paced` false: every step may be filled with prefill.
  Pace(uint32_t step_tokens, bool paced) : step_tokens_(step_tokens), paced_(paced) {}

  void NoteStep(double seconds, uint32_t rows);
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
  const bool paced_;
  double prefill_rows_per_second_ = 0;  // 0: not measured yet
  double seconds_per_choice_ = 0;       // between ends of choices while there is work
  double last_end_seconds_ = -1;        // or when work began; -1: there is none
};

}  // namespace quire
