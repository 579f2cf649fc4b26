#include "base/worker_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <utility>

#include "base/check.h"
#include "base/cores.h"

namespace quire {
namespace {

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

}  // namespace

void Worker::Barrier() const { pool_->barrier_.Arrive(count_); }

Worker::Range Worker::Share(uint32_t total, uint32_t grain) const {
  QUIRE_CHECK(grain > 0);
  const uint64_t pieces = (uint64_t{total} + grain - 1) / grain;
  const uint64_t begin = pieces * index_ / count_ * grain;
  const uint64_t end = pieces * (index_ + 1) / count_ * grain;
  return {static_cast<uint32_t>(begin < total ? begin : total),
          static_cast<uint32_t>(end < total ? end : total)};
}

WorkerPool::WorkerPool(uint32_t num_workers, std::vector<uint32_t> cores)
    : count_(num_workers), cores_(std::move(cores)) {
  QUIRE_CHECK(num_workers >= 1);
  QUIRE_CHECK(cores_.empty() || cores_.size() == num_workers);
  threads_.reserve(num_workers - 1);
  try {
    for (uint32_t i = 1; i < num_workers; ++i) {
      threads_.emplace_back([this, i] { ThreadMain(i); });
    }
  } catch (...) {  // std::system_error: the system has no thread to give
    Stop();
    throw;
  }
}

WorkerPool::~WorkerPool() { Stop(); }

void WorkerPool::Stop() {
  stop_.store(true, std::memory_order_release);
  generation_.fetch_add(1, std::memory_order_release);
  WakeAll(generation_);
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::PinCaller() const {
  if (!cores_.empty()) PinThread(cores_[0]);
}

void WorkerPool::RunErased(Entry entry, void* context) {
  entry_ = entry;
  context_ = context;
  if (count_ > 1) {
    generation_.fetch_add(1, std::memory_order_release);
    WakeAll(generation_);
  }
  {
    FloatEnvironment environment;
    entry(context, Worker(this, 0, count_));
  }
  barrier_.Arrive(count_);
}

void WorkerPool::ThreadMain(uint32_t index) {
  if (!cores_.empty()) PinThread(cores_[index]);
  FloatEnvironment environment;
  uint32_t seen = 0;
  while (true) {
    WaitWhileEqual(generation_, seen);
    ++seen;
    if (stop_.load(std::memory_order_acquire)) return;
    entry_(context_, Worker(this, index, count_));
    barrier_.Arrive(count_);
  }
}

}  // namespace quire
