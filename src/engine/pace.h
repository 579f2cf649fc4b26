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
  void NoteRequestEnd(double now_seconds);

  // Rows of prefill for the next step.
  uint32_t PrefillTokens(bool beside_decodes) const;

  // When the queue, `waiting` long, will have room and have moved on; at least 1.
  uint32_t RetryAfterSeconds(uint32_t waiting) const;

 private:
  const uint32_t step_tokens_;
  const bool paced_;
  double prefill_rows_per_second_ = 0;  // 0: not measured yet
  double seconds_per_request_ = 0;      // between ends of requests while there is work
  double last_end_seconds_ = -1;
};

}  // namespace quire
