#include "engine/pace.h"

#include <algorithm>
#include <cmath>

namespace quire {

namespace {

constexpr uint32_t kLeastPrefill = 16;  // one block
constexpr uint32_t kUnmeasured = 64;    // rows of prefill as long as nothing is known
constexpr double kDecodeSteps = 2.5;    // that a step with prefill may take
constexpr uint32_t kPrefillStep = 16;   // steps with fewer rows say little about prefill
constexpr double kWeight = 0.2;         // of the newest measurement

void Average(double& average, double value) {
  average = average == 0 ? value : average + kWeight * (value - average);
}

}  // namespace

// Where decodes run too, their own time is taken off.
void Pace::NoteStep(double seconds, const Rows& rows) {
  if (seconds <= 0) return;
  if (rows.prefill == 0) return Average(decode_step_seconds_, seconds);
  if (rows.prefill < kPrefillStep) return;
  const double own =
      rows.decode == 0 ? seconds : std::max(seconds - decode_step_seconds_, seconds / 2);
  Average(prefill_rows_per_second_, rows.prefill / own);
}

void Pace::NoteBusy(double now_seconds) {
  if (last_end_seconds_ < 0) last_end_seconds_ = now_seconds;
}

void Pace::NoteIdle() { last_end_seconds_ = -1; }

void Pace::NoteEnds(uint32_t choices, double now_seconds) {
  if (choices == 0 || last_end_seconds_ < 0) return;
  const double each = (now_seconds - last_end_seconds_) / choices;
  for (uint32_t i = 0; i < choices; ++i) Average(seconds_per_choice_, each);
  last_end_seconds_ = now_seconds;
}

uint32_t Pace::PrefillTokens(bool beside_decodes) const {
  if (target_seconds_ == 0) return step_tokens_;
  if (prefill_rows_per_second_ == 0) return std::min(step_tokens_, kUnmeasured);
  double seconds = target_seconds_;
  if (beside_decodes) {
    seconds = std::min(seconds, kDecodeSteps * decode_step_seconds_) - decode_step_seconds_;
  }
  const double rows = std::max(prefill_rows_per_second_ * seconds, double{kLeastPrefill});
  return rows >= step_tokens_ ? step_tokens_ : static_cast<uint32_t>(rows);
}

}  // namespace quire
