#include "tier/io/thread_queue.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/spare_memory.h"

namespace quire {
namespace {

// As many as keep a disk busy; they sleep in the kernel.
constexpr uint32_t kThreads = 4;

int64_t Perform(const IoRequest& request) {
  for (;;) {
    const auto offset = static_cast<off_t>(request.offset);
    const ssize_t result =
        request.kind == IoRequest::Kind::kRead
            ? pread(request.fd, request.bytes.data(), request.bytes.size(), offset)
            : pwrite(request.fd, request.bytes.data(), request.bytes.size(), offset);
    if (result >= 0) return result;
    if (errno != EINTR) return -errno;
  }
}

class ThreadQueue : public IoQueue {
 public:
  explicit ThreadQueue(uint32_t depth) : depth_(depth) {
    for (uint32_t i = 0; i < std::min(kThreads, depth); ++i) {
      threads_.emplace_back([this] { ThreadMain(); });
    }
  }
  ~ThreadQueue() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  ThreadQueue(const ThreadQueue&) = delete;
  ThreadQueue& operator=(const ThreadQueue&) = delete;

  bool Submit(const IoRequest& request) override {
    if (in_flight_ == depth_) return false;
    ++in_flight_;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    work_.notify_one();
    return true;
  }

  size_t Wait(std::span<IoResult> done) override {
    if (in_flight_ == 0 || done.empty()) return 0;
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return !results_.empty(); });
    const size_t count = std::min(done.size(), results_.size());
    std::copy_n(results_.begin(), count, done.begin());
    results_.erase(results_.begin(), results_.begin() + static_cast<ptrdiff_t>(count));
    in_flight_ -= static_cast<uint32_t>(count);
    return count;
  }

  uint32_t in_flight() const override { return in_flight_; }
  uint32_t depth() const override { return depth_; }
  std::string_view name() const override { return "threads"; }

 private:
  // What was submitted is done before a thread leaves: buffers are the owner's again then.
  void ThreadMain() {
    const SparePermit permit(SpareUse::kAll);
    std::unique_lock lock(mutex_);
    for (;;) {
      work_.wait(lock, [this] { return stopping_ || !requests_.empty(); });
      if (requests_.empty()) return;
      const IoRequest request = requests_.front();
      requests_.pop_front();
      lock.unlock();
      const IoResult result{request.tag, Perform(request)};
      lock.lock();
      results_.push_back(result);
      ready_.notify_one();
    }
  }

  const uint32_t depth_;
  uint32_t in_flight_ = 0;  // of the owner's thread
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable ready_;
  std::deque<IoRequest> requests_;  // at most depth_, as are the results
  std::deque<IoResult> results_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<IoQueue> MakeThreadQueue(uint32_t depth) {
  return std::make_unique<ThreadQueue>(depth);
}

}  // namespace quire
