// tier/ssd/cached_tail.h -- what was written last, which the system's page cache is to keep.
//
// A process that is killed loses its memory, but not what the system has in its page cache: the
// next one reads it from there. Beyond the bound, what was written first is given up.
//
// Threads  none. Bounds  `most_bytes`, in entries of at least a unit of direct I/O each.
#pragma once

#include <cstdint>
#include <deque>

#include "base/check.h"
#include "tier/io/disk_environment.h"
#include "tier/ssd/segment_folder.h"

namespace quire {

class CachedTail {
 public:
  // Both outlive it. 0 bytes: nothing is kept.
  CachedTail(DiskEnvironment& disk, const SegmentFolder& folder, uint64_t most_bytes)
      : disk_(disk), folder_(folder), most_bytes_(most_bytes) {}

  bool is_kept() const { return most_bytes_ > 0; }

  // In the order of segments, and of offsets in each.
  void Add(uint64_t segment, const DiskEnvironment::Range& range) {
    written_.push_back({segment, range});
    bytes_ += range.bytes;
    while (bytes_ > most_bytes_) GiveUpOldest();
  }

 private:
  struct Written {
    uint64_t segment = 0;
    DiskEnvironment::Range range;
  };

  // By its path: an open file would keep the space of one that was deleted. With all that was given
  // up before: the system drops nothing of a folio that is not given up as a whole.
  void GiveUpOldest() {
    QUIRE_CHECK(!written_.empty());
    const Written oldest = written_.front();
    written_.pop_front();
    bytes_ -= oldest.range.bytes;
    const auto file = disk_.Open(folder_.PathOf(oldest.segment), DiskEnvironment::Mode::kRead);
    if (file != nullptr) disk_.Uncache(*file, {0, oldest.range.offset + oldest.range.bytes});
  }

  DiskEnvironment& disk_;
  const SegmentFolder& folder_;
  const uint64_t most_bytes_;
  uint64_t bytes_ = 0;  // of written_
  std::deque<Written> written_;
};

}  // namespace quire
