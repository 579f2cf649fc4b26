#include "plan/classic_caches.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

namespace quire {

namespace {

// What all of them share: blocks by number, looked up from the head, put in from the tail.
class FlatCache : public ReplayCache {
 public:
  FlatCache(const Trace& trace, uint32_t capacity)
      : capacity_(capacity), held_(trace.num_blocks, false) {}

  uint32_t Read(const TraceRequest& request) final {
    Begin(request);
    uint32_t hits = 0;
    bool hit = true;
    ForEachBlock(request, [&](uint32_t block) {
      hit = hit && held_[block];
      hits += hit;
    });
    ForEachBlockFromTail(request, [&](uint32_t block) { PutIn(block); });
    while (size_ > capacity_) {
      held_[Evict()] = false;
      --size_;
    }
    return hits;
  }

 protected:
  virtual void Begin(const TraceRequest&) {}
  virtual void Insert(uint32_t block) = 0;
  virtual void Touch(uint32_t block) = 0;
  virtual uint32_t Evict() = 0;  // takes a block out and says which

  const uint32_t capacity_;

 private:
  void PutIn(uint32_t block) {
    if (held_[block]) return Touch(block);
    held_[block] = true;
    ++size_;
    Insert(block);
  }

  std::vector<bool> held_;
  uint32_t size_ = 0;
};

class FifoCache : public FlatCache {
 public:
  using FlatCache::FlatCache;

 private:
  void Insert(uint32_t block) override { queue_.push_back(block); }
  void Touch(uint32_t) override {}
  uint32_t Evict() override {
    const uint32_t block = queue_.front();
    queue_.pop_front();
    return block;
  }

  std::deque<uint32_t> queue_;
};

class LfuCache : public FlatCache {
 public:
  LfuCache(const Trace& trace, uint32_t capacity)
      : FlatCache(trace, capacity), uses_(trace.num_blocks) {}

 private:
  struct Use {
    uint64_t count = 0;
    uint64_t time = 0;
  };
  using Rank = std::tuple<uint64_t, uint64_t, uint32_t>;
  Rank RankOf(uint32_t block) const { return {uses_[block].count, uses_[block].time, block}; }

  void Insert(uint32_t block) override {
    uses_[block] = {1, ++time_};
    order_.insert(RankOf(block));
  }
  void Touch(uint32_t block) override {
    order_.erase(RankOf(block));
    uses_[block] = {uses_[block].count + 1, ++time_};
    order_.insert(RankOf(block));
  }
  uint32_t Evict() override {
    const uint32_t block = std::get<2>(*order_.begin());
    order_.erase(order_.begin());
    return block;
  }

  std::vector<Use> uses_;
  std::set<Rank> order_;
  uint64_t time_ = 0;
};

// A tenth is a queue of newcomers; who is read twice there moves on to the main queue, where who
// was read since gets another round. Newcomers that were given up are remembered for as long as the
// main queue is and go straight into it.
class S3FifoCache : public FlatCache {
 public:
  S3FifoCache(const Trace& trace, uint32_t capacity)
      : FlatCache(trace, capacity),
        small_limit_(std::max(1u, capacity / 10)),
        reads_(trace.num_blocks),
        ghost_until_(trace.num_blocks) {}

 private:
  void Insert(uint32_t block) override {
    reads_[block] = 0;
    (ghost_until_[block] > ghosts_ ? main_ : small_).push_back(block);
    ghost_until_[block] = 0;
  }
  void Touch(uint32_t block) override {
    reads_[block] = static_cast<uint8_t>(std::min(reads_[block] + 1, 3));
  }
  uint32_t Evict() override {
    while (true) {
      const bool from_small = !small_.empty() && (small_.size() > small_limit_ || main_.empty());
      std::deque<uint32_t>& queue = from_small ? small_ : main_;
      const uint32_t block = queue.front();
      queue.pop_front();
      if (from_small && reads_[block] > 1) {
        reads_[block] = 0;
        main_.push_back(block);
      } else if (!from_small && reads_[block] > 0) {
        --reads_[block];
        main_.push_back(block);
      } else {
        if (from_small) ghost_until_[block] = ++ghosts_ + (capacity_ - small_limit_);
        return block;
      }
    }
  }

  const uint32_t small_limit_;
  std::deque<uint32_t> small_;
  std::deque<uint32_t> main_;
  std::vector<uint8_t> reads_;
  std::vector<uint64_t> ghost_until_;  // by block: until so many ghosts were made
  uint64_t ghosts_ = 0;
};

// By the request that reads a block next; of one request the tail is given up first.
class OptimalCache : public FlatCache {
 public:
  OptimalCache(const Trace& trace, uint32_t capacity)
      : FlatCache(trace, capacity), key_(trace.num_blocks, kNever), place_(trace.num_blocks) {
    std::vector<uint32_t> next(trace.num_blocks, kNever);
    for (size_t i = trace.requests.size(); i-- > 0;) {
      ForEachBlockFromTail(trace.requests[i], [&](uint32_t block) {
        next_.push_back(next[block]);
        next[block] = static_cast<uint32_t>(i);
      });
    }
  }

 private:
  static constexpr uint32_t kNever = 0xffffffff;
  // Later requests, then tails, are greater.
  using Rank = std::tuple<uint32_t, uint32_t, uint32_t>;

  // `next_` was filled from the last request's tail to the first one's head.
  void Begin(const TraceRequest& request) override {
    ForEachBlock(request, [&](uint32_t block) {
      pending_.push_back({next_.back(), block});
      next_.pop_back();
    });
    for (uint32_t i = 0; i < pending_.size(); ++i) {
      const uint32_t block = pending_[i].second;
      if (order_.erase({key_[block], place_[block], block}) > 0) {
        order_.insert({pending_[i].first, i, block});
      }
      key_[block] = pending_[i].first;
      place_[block] = i;
    }
    pending_.clear();
  }
  void Insert(uint32_t block) override { order_.insert({key_[block], place_[block], block}); }
  void Touch(uint32_t) override {}
  uint32_t Evict() override {
    const auto last = std::prev(order_.end());
    const uint32_t block = std::get<2>(*last);
    order_.erase(last);
    return block;
  }

  std::vector<uint32_t> next_;   // by read, in reverse order: the request that reads it next
  std::vector<uint32_t> key_;    // by block
  std::vector<uint32_t> place_;  // by block: in the text that read it last
  std::set<Rank> order_;
  std::vector<std::pair<uint32_t, uint32_t>> pending_;
};

}  // namespace

std::unique_ptr<ReplayCache> MakeFifoCache(const Trace& trace, uint32_t capacity_blocks) {
  return std::make_unique<FifoCache>(trace, capacity_blocks);
}

std::unique_ptr<ReplayCache> MakeLfuCache(const Trace& trace, uint32_t capacity_blocks) {
  return std::make_unique<LfuCache>(trace, capacity_blocks);
}

std::unique_ptr<ReplayCache> MakeS3FifoCache(const Trace& trace, uint32_t capacity_blocks) {
  return std::make_unique<S3FifoCache>(trace, capacity_blocks);
}

std::unique_ptr<ReplayCache> MakeOptimalCache(const Trace& trace, uint32_t capacity_blocks) {
  return std::make_unique<OptimalCache>(trace, capacity_blocks);
}

}  // namespace quire
