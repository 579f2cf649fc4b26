// tier/ssd/segment_folder.h -- the folder of segment files: whose it is, and what it holds.
//
// One process at a time owns a folder, by a lock that the system drops with the process. Any file
// of it may vanish at any time.
//
// Threads  none.
// Errors   kConflict: another process has it, with its number; kIo: the system refuses, and why.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tier/io/disk_environment.h"
#include "tier/ssd/segment_format.h"

namespace quire {

struct SegmentContents {
  uint64_t segment = 0;
  uint64_t file_bytes = 0;
  uint64_t used_bytes = 0;  // up to the end of its last record
  bool closed = false;      // it has a footer
  std::vector<PlacedRecord> records;
};

// What a segment file holds: by its footer, or record by record if it has none or a broken one.
// Nullopt if it is no segment, or cannot be read.
std::optional<SegmentContents> ReadSegment(DiskEnvironment& disk, const std::string& path,
                                           uint64_t segment);

class SegmentFolder {
 public:
  // Creates the folder, for its owner alone, and locks it.
  static Result<SegmentFolder> Open(DiskEnvironment& disk, const std::string& path);
  ~SegmentFolder();
  SegmentFolder(SegmentFolder&& other) noexcept;
  SegmentFolder& operator=(SegmentFolder&&) = delete;

  // All segments, oldest first. Such as were not closed are, without what is torn; files that are
  // broken are deleted.
  std::vector<SegmentContents> Load(DiskEnvironment& disk) const;

  std::string PathOf(uint64_t segment) const;
  const std::string& path() const { return path_; }
  // Makes the folder anew if somebody has deleted it.
  void Restore() const;
  void Delete(uint64_t segment) const;

 private:
  SegmentFolder(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}

  std::string path_;
  int lock_fd_;
};

// The numbers of the segment files in `path`, ascending.
std::vector<uint64_t> ListSegments(const std::string& path);

}  // namespace quire
