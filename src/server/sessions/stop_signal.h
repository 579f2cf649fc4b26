// server/sessions/stop_signal.h -- tells work that waits on another thread to wait no longer.
//
// Threads  any.
#pragma once

#include <functional>
#include <mutex>
#include <utility>

namespace quire {

class StopSignal {
 public:
  // Once, and for all; what is registered is called here, and does not block.
  void Stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    if (on_stop_) std::exchange(on_stop_, nullptr)();
  }

  bool stopped() const {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }

  // Calls `function` when Stop is called, or at once if it was, while the guard lives. One at a
  // time.
  class [[nodiscard]] Guard {
   public:
    explicit Guard(StopSignal& signal) : signal_(signal) {}
    ~Guard() {
      const std::lock_guard lock(signal_.mutex_);
      signal_.on_stop_ = nullptr;
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    StopSignal& signal_;
  };
  Guard OnStop(std::function<void()> function) {
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) {
        function();
      } else {
        on_stop_ = std::move(function);
      }
    }
    return Guard(*this);
  }

 private:
  mutable std::mutex mutex_;
  std::function<void()> on_stop_;
  bool stopped_ = false;
};

}  // namespace quire
