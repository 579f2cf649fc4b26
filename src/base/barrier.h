// base/barrier.h -- where a fixed number of threads wait for each other.
//
// A waiting thread spins for at most 60 microseconds and then sleeps on a futex: those who
// arrive together never enter the kernel, and nobody holds a core for long that a thread with work
// could use.
//
// Threads  any `count` of them, the same number at every meeting.
#pragma once

#include <atomic>
#include <cstdint>

namespace quire {

// Waits until `value` is no longer `old`, spinning first; what was written before the change is
// then visible.
void WaitWhileEqual(const std::atomic<uint32_t>& value, uint32_t old);
// Wakes all who sleep in WaitWhileEqual; after the change.
void WakeAll(std::atomic<uint32_t>& value);

class Barrier {
 public:
  // Returns once `count` threads have called it; what any of them wrote before is then visible.
  void Arrive(uint32_t count) {
    if (count > 1) ArriveAmong(count);
  }

 private:
  void ArriveAmong(uint32_t count);

  alignas(64) std::atomic<uint32_t> phase_{0};  // bumped when the barrier opens
  alignas(64) std::atomic<uint32_t> arrived_{0};
};

}  // namespace quire
