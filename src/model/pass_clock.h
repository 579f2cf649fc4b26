// model/pass_clock.h -- one worker's stop-watch: gives each stretch of a pass to a phase.
//
// Threads  one worker's.
// Cost     a reading of the clock per Mark, nothing if it is off.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "model/pass_times.h"

namespace quire {

class PassClock {
 public:
  static uint64_t Now() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<uint64_t>(std::chrono::nanoseconds(now).count());
  }

  // Runs from `start_ns` on (of Now()); 0: it is off.
  explicit PassClock(uint64_t start_ns) : last_ns_(start_ns) {}

  // What passed since the last mark was `phase`.
  void Mark(PassPhase phase) {
    if (last_ns_ == 0) return;
    const uint64_t now = Now();
    ns_[static_cast<size_t>(phase)] += now - last_ns_;
    last_ns_ = now;
  }
  void MarkBarrier() {
    ++barriers_;
    Mark(PassPhase::kWait);
  }

  uint64_t last_ns() const { return last_ns_; }
  uint64_t barriers() const { return barriers_; }
  const std::array<uint64_t, kPassPhases>& ns() const { return ns_; }

 private:
  uint64_t last_ns_;
  uint64_t barriers_ = 0;
  std::array<uint64_t, kPassPhases> ns_{};
};

}  // namespace quire
