#include "engine/pace.h"

#include <algorithm>

#include "sched/step_target.h"

namespace quire {

namespace {

constexpr double kUnmeasured = 64;     // tokens of prefill as long as nothing is known
constexpr double kLeastTokens = 16;    // one block at the beginning of a text
constexpr double kDecodeSteps = 8;     // that a step with prefill may take
constexpr double kLeastShare = 0.25;   // of the decodes' time, for prefill beside them
constexpr uint32_t kPrefillStep = 16;  // steps with fewer rows say little about prefill
constexpr double kWeight = 0.2;        // of the newest measurement
constexpr double kLeastLeft = 0.01;    // a step shorter than this is not worth leaving, in seconds

void Average(double& average, double value) {
  average = average == 0 ? value : average + kWeight * (value - average);
}

}  // namespace

// Prefill's rate is that beside the decodes of the day: it is what a prompt that waits will get.
void Pace::NoteStep(double seconds, const StepShape& shape, uint32_t prefill_rows) {
  left_last_ = false;
  if (seconds <= 0) return;
  cost_.Note(shape, seconds);
  if (prefill_rows < kPrefillStep) return;
  Average(prefill_rows_per_second_, prefill_rows / seconds);
}

void Pace::NoteBusy(double now_seconds) {
  last_pause_seconds_ = now_seconds - last_came_seconds_;
  last_came_seconds_ = now_seconds;
}

// The time before counts for nothing any more, or the next step might be as long again.
void Pace::NoteLeft(double now_seconds) {
  left_last_ = true;
  last_pause_seconds_ = 0;
  last_came_seconds_ = now_seconds;
}

// Whoever was cancelled in the queue says nothing of how long answers are.
void Pace::NoteEnds(const Answered& answered) {
  for (uint32_t i = 0; i < answered.choices; ++i) {
    Average(tokens_per_choice_, static_cast<double>(answered.tokens) / answered.choices);
  }
}

double Pace::SecondsPerToken(const StepShape& decodes) const {
  return decodes.rows == 0 ? 0 : cost_.Seconds(decodes) / decodes.rows;
}

StepRoom Pace::Room(const StepShape& decodes, bool prefill_is_behind, double now_seconds) const {
  if (target_seconds_ == 0) return {};
  if (!cost_.measured()) return StepRoom(std::min<double>(step_tokens_, kUnmeasured));
  const double row = cost_.row_seconds();
  const double base =
      decodes.rows == 0 ? cost_.step_seconds() : cost_.Seconds(decodes);  // with no prefill
  double seconds = target_seconds_ - base;
  if (decodes.rows == 0) {
    const double pause = std::max(last_pause_seconds_, now_seconds - last_came_seconds_);
    seconds = LongestStep(target_seconds_, pause) - base;
  } else {
    seconds = std::min(seconds, (kDecodeSteps - 1) * base);
    const double most = std::min(base, target_seconds_);
    seconds = std::max(seconds, prefill_is_behind ? most : kLeastShare * most);
  }
  StepRoom room(std::max(seconds / row, kLeastTokens));
  room.position_tokens = cost_.position_seconds() / row;
  return room;
}

bool Pace::IsWorthLeaving(const StepShape& step, double elapsed_seconds,
                          const StepShape& newcomer) const {
  if (target_seconds_ == 0 || !cost_.measured() || left_last_) return false;
  const double left = cost_.Seconds(step) - elapsed_seconds;
  if (left < kLeastLeft || cost_.Seconds(newcomer) > left) return false;
  const bool is_long = cost_.Seconds(step) > target_seconds_;
  return elapsed_seconds <= left || (is_long && left > target_seconds_ / 2);
}

bool Pace::HasLongToGo(const StepShape& step, double elapsed_seconds) const {
  return target_seconds_ > 0 && cost_.measured() && !left_last_ &&
         cost_.Seconds(step) - elapsed_seconds > target_seconds_;
}

}  // namespace quire
