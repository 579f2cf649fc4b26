// engine/disk/activity.h -- what the engine does while the disk works: how much that may disturb.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quire {

enum class Activity : uint8_t {
  kNone,       // there are no sequences
  kWaiting,    // there are, but none runs
  kReading,    // prompts are computed, or are about to be
  kAnswering,  // at least one sequence is being decoded
};

inline constexpr size_t kActivities = 4;

// Sequences run, so memory may come.
constexpr bool IsBusy(Activity activity) { return activity >= Activity::kReading; }

}  // namespace quire
