// tier/ssd/tier_state.h -- what the threads of the disk tier share: index and counts, by one mutex.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "tier/ssd/record_index.h"

namespace quire {

enum class DiskTrouble : uint8_t {
  kIo,       // the system reports an error
  kFull,     // no space left, or less than the floor
  kCorrupt,  // read bytes are not what was written
  kGone,     // somebody has deleted the file
};
inline constexpr size_t kDiskTroubles = 4;
constexpr std::string_view DiskTroubleName(DiskTrouble trouble) {
  constexpr std::string_view kNames[] = {"io", "full", "corrupt", "gone"};
  return kNames[static_cast<size_t>(trouble)];
}

struct DiskCounts {
  uint64_t read_bytes = 0;
  uint64_t cached_read_bytes = 0;  // of those, from the system's page cache
  uint64_t write_bytes = 0;
  double write_cpu_seconds = 0;  // that writing took of a core: sealing, copying, making room
  std::array<uint64_t, kDiskTroubles> troubles{};
  uint64_t dropped_blocks = 0;  // not written, because of trouble or for want of time
  uint64_t evicted_blocks = 0;  // given up to make room
  // As of now:
  uint64_t disk_bytes = 0;  // that the segment files take
  uint64_t limit_bytes = 0;
  uint64_t blocks = 0;
  uint64_t segments = 0;
  bool paused = false;  // since a write failed and until one does not, tried in between or not
  double read_bytes_per_second = 0;  // of KV, while reading; 0: not measured yet
};

struct TierState {
  std::mutex mutex;
  // All below are guarded by it.
  RecordIndex index;
  DiskCounts counts;
  std::map<ShortTag, uint64_t> owner_limits;  // bytes; those not named have none

  void NoteTrouble(DiskTrouble trouble) {
    const std::lock_guard lock(mutex);
    ++counts.troubles[static_cast<size_t>(trouble)];
  }
};

}  // namespace quire
