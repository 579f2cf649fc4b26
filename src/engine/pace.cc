#include "engine/pace.h"

#include <algorithm>
#include <cmath>

namespace quire {

namespace {

constexpr double kStepSeconds = 0.1;
constexpr uint32_t kLeastPrefill = 16;   // one block: less would waste the weights' way from DRAM
constexpr uint32_t kBesideDecodes = 64;  // 87-95 % of the full rate
constexpr uint32_t kPrefillStep = 16;    // steps with fewer rows say little about prefill
constexpr double kWeight = 0.2;          // of the newest measurement

void Average(double& average, double value) {
  average = average == 0 ? value : average + kWeight * (value - average);
}

}  // namespace

void Pace::NoteStep(double seconds, uint32_t rows) {
  if (rows < kPrefillStep || seconds <= 0) return;
  Average(prefill_rows_per_second_, rows / seconds);
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
  if (!paced_) return step_tokens_;
  const uint32_t most = beside_decodes ? std::min(kBesideDecodes, step_tokens_) : step_tokens_;
  if (prefill_rows_per_second_ == 0) return std::min(most, kBesideDecodes);
  const double rows = prefill_rows_per_second_ * kStepSeconds;
  if (rows >= most) return most;
  return std::max(static_cast<uint32_t>(rows), std::min(kLeastPrefill, most));
}

}  // namespace quire
