// cache/eviction/name_directory.h -- a bounded memory of names that were asked for, kept or lost.
//
// It holds a sample of all names, chosen by their hash alone, so that a block is either always
// watched or never; the rate is such that the names watched reach back to many times what the
// cache holds. The name that was not asked for longest makes room for a new one.
//
// Threads  none. Errors  none. Cost  O(1); nothing allocates after construction.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/ids.h"

namespace quire {

// What is remembered of a name. Its index stays while it is there.
struct NamedUse {
  uint64_t name = 0;
  TickMs last_use = 0;
  uint32_t hits = 0;
  uint32_t turn = 0;
  uint32_t kind = 0;  // ReuseModel's class
  uint32_t newer = 0;
  uint32_t older = 0;
  uint32_t next_in_bucket = 0;
};

class NameDirectory {
 public:
  static constexpr uint32_t kNone = 0xffffffff;
  static constexpr uint32_t kEntries = 1 << 13;
  // How many times the cache's blocks the directory shall reach back.
  static constexpr uint32_t kReach = 16;

  explicit NameDirectory(uint32_t capacity_blocks);

  bool IsWatched(uint64_t name) const { return name <= last_watched_; }
  double rate() const { return rate_; }  // the share of names that is watched

  uint32_t Find(uint64_t name) const;  // kNone if it is not there
  NamedUse& operator[](uint32_t i) { return uses_[i]; }
  const NamedUse& operator[](uint32_t i) const { return uses_[i]; }

  bool full() const { return size_ == uses_.size(); }
  uint32_t size() const { return size_; }
  uint32_t newest() const { return newest_; }
  uint32_t oldest() const { return oldest_; }  // what the next Insert will forget if it is full

  uint32_t Insert(uint64_t name);  // that is not there, as the newest
  void MakeNewest(uint32_t i);

  void CheckInvariants() const;

 private:
  uint32_t& BucketOf(uint64_t name) { return buckets_[name & (buckets_.size() - 1)]; }
  void Unlink(uint32_t i);
  void LinkNewest(uint32_t i);
  void RemoveFromBucket(uint32_t i);

  double rate_ = 1;
  uint64_t last_watched_ = ~uint64_t{0};
  uint32_t size_ = 0;
  uint32_t newest_ = kNone;
  uint32_t oldest_ = kNone;
  std::vector<NamedUse> uses_;
  std::vector<uint32_t> buckets_;
};

}  // namespace quire
