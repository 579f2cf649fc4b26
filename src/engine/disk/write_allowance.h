// engine/disk/write_allowance.h -- how much may be written to the disk beside computing.
//
// Writing takes cores and memory from it: every microsecond of copying, sealing and handing to the
// system is one in which a worker of the model may be kept waiting, and all others with it. So the
// time that writing takes is measured, and is held to a share of the time that steps take.
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
  // Of the time of steps. What an answer may lose to it is to stay below 3 %. A prompt makes blocks
  // several times slower than its share writes them.
  static constexpr double kShareBesideAnswers = 0.015;
  static constexpr double kShareBesidePrompts = 0.05;
  // Steps further apart than this have a rest between them.
  static constexpr double kRestSeconds = 0.05;

  // `most_bytes`: of one write. No more than that is ever saved up.
  explicit WriteAllowance(uint64_t most_bytes) : most_bytes_(most_bytes) {}

  // A step from `begin` to `end`, in seconds of any one clock. What was saved up before a rest is
  // lost: an answer is not to begin with a write.
  void NoteStep(Activity activity, double begin, double end);

  // Of a core, as measured.
  void SetCost(double seconds_per_byte) { seconds_per_byte_ = seconds_per_byte; }

  // While the engine does this. What is not busy may be disturbed at will.
  bool CanTake(Activity activity, uint64_t bytes) const;
  void Take(Activity activity, uint64_t bytes);  // they are written now

 private:
  double& SavedFor(Activity activity) { return saved_seconds_[static_cast<size_t>(activity)]; }
  double CostOf(uint64_t bytes) const { return seconds_per_byte_ * static_cast<double>(bytes); }

  const uint64_t most_bytes_;
  double seconds_per_byte_ = 1e-9;  // until it is known
  double last_end_ = 0;
  std::array<double, kActivities> saved_seconds_{};  // an answer does not pay for a prompt
};

}  // namespace quire
