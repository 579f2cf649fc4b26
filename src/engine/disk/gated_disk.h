// engine/disk/gated_disk.h -- for tests: a disk whose reads end when the test wants, and how.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "tier/io/disk_environment.h"
#include "tier/io/io_queue.h"
#include "tier/io/thread_queue.h"

namespace quire {

// What happens to reads. Shared by a test and its disk.
class Gate {
 public:
  // So many reads may end, and others once there are more.
  void Open(uint32_t reads) {
    const std::lock_guard lock(mutex_);
    open_ = reads;
    opened_.notify_all();
  }
  // What the read that ends as number `from` and later ones really gave.
  using Result = std::function<int64_t(const IoRequest&, int64_t)>;
  void Spoil(uint32_t from, Result result) {
    const std::lock_guard lock(mutex_);
    spoilt_from_ = from;
    spoil_ = std::move(result);
  }

  uint32_t ended() const {
    const std::lock_guard lock(mutex_);
    return ended_;
  }

  bool MayEnd(bool wait) {
    std::unique_lock lock(mutex_);
    if (wait) opened_.wait(lock, [&] { return ended_ < open_; });
    return ended_ < open_;
  }
  int64_t End(const IoRequest& request, int64_t result) {
    const std::lock_guard lock(mutex_);
    return ended_++ < spoilt_from_ || !spoil_ ? result : spoil_(request, result);
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable opened_;
  uint32_t open_ = UINT32_MAX;
  uint32_t ended_ = 0;
  uint32_t spoilt_from_ = 0;
  Result spoil_;
};

// Reads end in the order in which they were begun, and no sooner than the gate lets them.
class GatedQueue : public IoQueue {
 public:
  GatedQueue(std::unique_ptr<IoQueue> real, std::shared_ptr<Gate> gate)
      : real_(std::move(real)), gate_(std::move(gate)) {}

  bool Submit(const IoRequest& request) override {
    begun_.push_back({request, std::nullopt});
    return real_->Submit({.kind = request.kind,
                          .fd = request.fd,
                          .offset = request.offset,
                          .bytes = request.bytes,
                          .tag = last_++});
  }
  size_t Wait(std::span<IoResult> done) override {
    std::vector<IoResult> results(depth());
    if (real_->in_flight() > 0) {
      results.resize(real_->Wait(results));
      for (const IoResult& one : results) {
        begun_[one.tag - (last_ - begun_.size())].result = one.result;
      }
    }
    size_t count = 0;
    while (count < done.size() && !begun_.empty() && begun_.front().result) {
      const IoRequest& request = begun_.front().request;
      int64_t result = *begun_.front().result;
      if (request.kind == IoRequest::Kind::kRead) {
        const bool wait = count == 0 && real_->in_flight() == 0;
        if (!gate_->MayEnd(wait)) break;
        result = gate_->End(request, result);
      }
      done[count++] = {request.tag, result};
      begun_.pop_front();
    }
    return count;
  }
  uint32_t in_flight() const override { return static_cast<uint32_t>(begun_.size()); }
  uint32_t depth() const override { return real_->depth(); }
  std::string_view name() const override { return real_->name(); }

 private:
  struct Begun {
    IoRequest request;
    std::optional<int64_t> result;
  };
  const std::unique_ptr<IoQueue> real_;
  const std::shared_ptr<Gate> gate_;
  std::deque<Begun> begun_;
  uint64_t last_ = 0;
};

class GatedDisk : public DiskEnvironment {
 public:
  explicit GatedDisk(std::shared_ptr<Gate> gate, bool has_uring = true)
      : gate_(std::move(gate)), has_uring_(has_uring) {}
  std::unique_ptr<IoQueue> MakeQueue(uint32_t depth) override {
    auto queue = has_uring_ ? DiskEnvironment::MakeQueue(depth) : MakeThreadQueue(depth);
    return std::make_unique<GatedQueue>(std::move(queue), gate_);
  }

 private:
  const std::shared_ptr<Gate> gate_;
  const bool has_uring_;
};

}  // namespace quire
