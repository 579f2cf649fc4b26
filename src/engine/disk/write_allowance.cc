#include "engine/disk/write_allowance.h"

#include <algorithm>

namespace quire {

void WriteAllowance::Pass(Activity activity, double now) {
  saved() += ShareBeside(activity_) * std::max(0.0, now - since_);
  saved() = std::min(saved(), CostOf(most_bytes_));
  activity_ = activity;
  since_ = now;
}

bool WriteAllowance::CanTake(uint64_t bytes) const {
  return !IsBusy(activity_) || CostOf(bytes) <= saved_seconds_[static_cast<size_t>(activity_)];
}

void WriteAllowance::Take(uint64_t bytes) { saved() = std::max(0.0, saved() - CostOf(bytes)); }

double WriteAllowance::ShareBeside(Activity activity) {
  switch (activity) {
    case Activity::kNone:
    case Activity::kWaiting:
      return 0;
    case Activity::kReading:
      return kShareBesidePrompts;
    case Activity::kAnswering:
      return kShareBesideAnswers;
  }
  return 0;
}

}  // namespace quire
