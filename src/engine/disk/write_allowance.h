// engine/disk/write_allowance.h -- how much may be written to the disk beside computing.
//
// Writing takes cores and memory from it: every microsecond of copying, sealing and handing to the
// system is one in which a worker of the model may be kept waiting, and all others with it. So the
// time that writing takes is measured, and is held to a share of the time that passes.
//
// Threads  one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/disk/activity.h"

namespace quire {

class WriteAllowance {
 public:
  // Of the time that passes. What an answer may lose to it is to stay below 3 %. A prompt makes
  // blocks several times slower than its share writes them.
  static constexpr double kShareBesideAnswers = 0.015;
  static constexpr double kShareBesidePrompts = 0.05;

  // `most_bytes`: of one write. No more than that is ever saved up.
  explicit WriteAllowance(uint64_t most_bytes) : most_bytes_(most_bytes) {}

  // From `now` on the engine does this.
  void Pass(Activity activity, double now);

  // Of a core, as measured.
  void SetCost(double seconds_per_byte) { seconds_per_byte_ = seconds_per_byte; }

  bool CanTake(uint64_t bytes) const;
  void Take(uint64_t bytes);  // they are written now

 private:
  double& saved() { return saved_seconds_[static_cast<size_t>(activity_)]; }
  static double ShareBeside(Activity activity);
  double CostOf(uint64_t bytes) const { return seconds_per_byte_ * static_cast<double>(bytes); }

  const uint64_t most_bytes_;
  double seconds_per_byte_ = 1e-9;  // until it is known
  Activity activity_ = Activity::kNone;
  double since_ = 0;
  std::array<double, kActivities> saved_seconds_{};  // an answer does not pay for a prompt
};

}  // namespace quire
