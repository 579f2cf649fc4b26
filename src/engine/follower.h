// engine/follower.h -- a counter that follows a total kept elsewhere.
#pragma once

#include <prometheus/counter.h>

#include <cstdint>

namespace quire {

class Follower {
 public:
  explicit Follower(prometheus::Counter& counter) : counter_(counter) {}
  void Set(uint64_t total) {
    if (total > last_) counter_.Increment(static_cast<double>(total - last_));
    last_ = total;
  }

 private:
  prometheus::Counter& counter_;
  uint64_t last_ = 0;
};

}  // namespace quire
