#include "base/worker_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/check.h"

namespace quire {
namespace {

// About a microsecond of pauses: long enough for a balanced barrier, short enough that a worker
// waiting for a descheduled one gives its core away.
constexpr int kSpins = 400;

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// Sets the float environment that law 2 fixes, for the lifetime of the object.
class FloatEnvironment {
 public:
#if defined(__x86_64__)
  FloatEnvironment() : saved_(_mm_getcsr()) { _mm_setcsr(kFlushAndMask); }
  ~FloatEnvironment() { _mm_setcsr(saved_); }

 private:
  // All exceptions masked, round to nearest, denormals are zero, flush to zero.
  static constexpr unsigned kFlushAndMask = 0x1f80 | 0x8000 | 0x0040;
  unsigned saved_;
#endif
};

void WaitWhileEqual(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    Pause();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

void Worker::Barrier() const {
  if (count_ > 1) pool_->Arrive();
}

Worker::Range Worker::Share(uint32_t total, uint32_t grain) const {
  QUIRE_CHECK(grain > 0);
  const uint64_t pieces = (uint64_t{total} + grain - 1) / grain;
  const uint64_t begin = pieces * index_ / count_ * grain;
  const uint64_t end = pieces * (index_ + 1) / count_ * grain;
  return {static_cast<uint32_t>(begin < total ? begin : total),
          static_cast<uint32_t>(end < total ? end : total)};
}

WorkerPool::WorkerPool(uint32_t num_workers) : count_(num_workers) {
  QUIRE_CHECK(num_workers >= 1);
  threads_.reserve(num_workers - 1);
  for (uint32_t i = 1; i < num_workers; ++i) {
    threads_.emplace_back([this, i] { ThreadMain(i); });
  }
}

WorkerPool::~WorkerPool() {
  stop_.store(true, std::memory_order_release);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::RunErased(Entry entry, void* context) {
  entry_ = entry;
  context_ = context;
  if (count_ > 1) {
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
  }
  {
    FloatEnvironment environment;
    entry(context, Worker(this, 0, count_));
  }
  if (count_ > 1) Arrive();
}

void WorkerPool::ThreadMain(uint32_t index) {
  FloatEnvironment environment;
  uint32_t seen = 0;
  while (true) {
    WaitWhileEqual(generation_, seen);
    ++seen;
    if (stop_.load(std::memory_order_acquire)) return;
    entry_(context_, Worker(this, index, count_));
    Arrive();
  }
}

void WorkerPool::Arrive() {
  const uint32_t phase = barrier_phase_.load(std::memory_order_relaxed);
  if (barrier_arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
    barrier_arrived_.store(0, std::memory_order_relaxed);
    barrier_phase_.fetch_add(1, std::memory_order_release);
    barrier_phase_.notify_all();
  } else {
    WaitWhileEqual(barrier_phase_, phase);
  }
}

}  // namespace quire
