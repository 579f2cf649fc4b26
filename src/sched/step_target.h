// sched/step_target.h -- how long a step that reads a prompt may take where nobody is answered.
//
// Small steps of a long text are dear, each reads all weights; and nobody waits who has not come
// yet. So a step may take a twentieth of the time for which nobody has come, up to eight targets.
// Asked by the engine, which keeps to it, and by forecasts of what it will do.
#pragma once

#include <algorithm>

namespace quire {

inline constexpr double kPauseShare = 0.05;  // of the time without a newcomer, for one step
inline constexpr double kMostTargets = 8;    // that such a step may take

// Seconds. `target_seconds` is the longest that others are to wait for their next token.
inline double LongestStep(double target_seconds, double pause_seconds) {
  return std::max(target_seconds,
                  std::min(kPauseShare * pause_seconds, kMostTargets * target_seconds));
}

// Seconds: from what pause on steps are as long as they ever are.
inline double LongestPause(double target_seconds) {
  return kMostTargets / kPauseShare * target_seconds;
}

}  // namespace quire
