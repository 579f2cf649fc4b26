// engine/retention/pause_estimate.h -- how long tools take, learned from those that came back.
//
// A histogram over pauses whose classes grow by the square root of two, and in which older pauses
// count less and less. It begins as if a few tools had taken half a minute, so that what is not
// known yet is kept rather than lost.
//
// Threads  none. Cost  O(classes), which are few. Deterministic.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "cache/ids.h"

namespace quire {

class PauseEstimate {
 public:
  PauseEstimate();

  void Note(TickMs pause_ms);

  // A time that most pauses do not exceed, with something to spare: what comes back later is rare,
  // and then has to be computed again.
  TickMs Bound() const;

 private:
  // The longest pause of class 0, in ms; the last class has all that are longer than 45 minutes.
  static constexpr double kFirstMs = 62.5;
  static constexpr size_t kClasses = 32;

  static size_t ClassOf(TickMs pause_ms);

  std::array<double, kClasses> weights_{};
};

}  // namespace quire
