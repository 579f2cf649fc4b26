#include "base/barrier.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <chrono>

namespace quire {
namespace {

// A phase of a small model takes about 15 us, and its workers end within a few of each other: to
// sleep and be woken takes longer. With 2 us a decode of 135M parameters lost a third of its rate,
// with 200 us a little again; whoever is still waited for after 60 us probably has no core.
constexpr auto kSpin = std::chrono::microseconds(60);
constexpr uint32_t kPausesPerLook = 8;  // between looks at the clock

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

}  // namespace

void WaitWhileEqual(const std::atomic<uint32_t>& value, uint32_t old) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point deadline{};
  while (true) {
    for (uint32_t i = 0; i < kPausesPerLook; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      Pause();
    }
    const Clock::time_point now = Clock::now();
    if (deadline == Clock::time_point{}) deadline = now + kSpin;
    if (now >= deadline) break;
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

void WakeAll(std::atomic<uint32_t>& value) { value.notify_all(); }

void Barrier::ArriveAmong(uint32_t count) {
  const uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.fetch_add(1, std::memory_order_release);
    WakeAll(phase_);
  } else {
    WaitWhileEqual(phase_, phase);
  }
}

}  // namespace quire
