// sched/waiting_queue.h -- those who wait to run, and who of them is next.
//
//   between owners  the one whose clock (fair_share.h) is furthest behind
//   of one owner    by rank: arrival + kMsPerToken * tokens still to compute; then by age
//
// So short work passes long work, but a sequence with n tokens to compute is only ever passed by
// those of its owner that arrive less than n * kMsPerToken after it: nobody starves.
//
// Those that wait for a prefix in work, that are put off, or whose owner may not start more, are
// passed over.
//
// Threads  none. Errors  none. Cost  Next is linear in those that wait.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sched/fair_share.h"
#include "sched/sequence.h"

namespace quire {

// About what a token of prefill takes on a small machine: then a rank is when the work would be
// done, were it served alone from its arrival on.
inline constexpr TickMs kMsPerToken = 1;

// Smaller is earlier.
inline TickMs RankOf(const Sequence& sequence) {
  return sequence.arrival + kMsPerToken * sequence.work_tokens;
}

class WaitingQueue {
 public:
  void Reserve(size_t sequences);  // so that Insert does not allocate
  void Insert(Sequence* sequence);
  void Remove(Sequence* sequence);

  // Of the owners with closed[owner] == false.
  Sequence* Next(const FairShare& share, const std::vector<bool>& closed) const;

  void EndPuttingOff();  // of all but those whose blocks are being fetched

  std::span<Sequence* const> all() const { return queue_; }  // oldest first
  uint32_t size() const { return static_cast<uint32_t>(queue_.size()); }

 private:
  std::vector<Sequence*> queue_;  // by id
};

}  // namespace quire
