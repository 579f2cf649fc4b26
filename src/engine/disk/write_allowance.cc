#include "engine/disk/write_allowance.h"

#include <algorithm>

namespace quire {

void WriteAllowance::NoteStep(Activity activity, double begin, double end) {
  if (begin - last_end_ > kRestSeconds) saved_seconds_.fill(0);
  last_end_ = end;
  const double share = activity == Activity::kAnswering ? kShareBesideAnswers : kShareBesidePrompts;
  double& saved = SavedFor(activity);
  saved = std::min(saved + share * std::max(0.0, end - begin), CostOf(most_bytes_));
}

bool WriteAllowance::CanTake(Activity activity, uint64_t bytes) const {
  return !IsBusy(activity) || CostOf(bytes) <= saved_seconds_[static_cast<size_t>(activity)];
}

void WriteAllowance::Take(Activity activity, uint64_t bytes) {
  SavedFor(activity) = std::max(0.0, SavedFor(activity) - CostOf(bytes));
}

}  // namespace quire
