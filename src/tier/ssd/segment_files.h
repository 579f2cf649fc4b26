// tier/ssd/segment_files.h -- open segment files, the ones that were used last.
//
// Threads  none. Errors  null, with errno set: the file cannot be opened.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "tier/io/disk_environment.h"
#include "tier/ssd/segment_folder.h"

namespace quire {

class SegmentFiles {
 public:
  // Both outlive it.
  SegmentFiles(DiskEnvironment& disk, const SegmentFolder& folder) : disk_(disk), folder_(folder) {}

  std::shared_ptr<OpenFile> Get(uint64_t segment) {
    for (auto it = files_.begin(); it != files_.end(); ++it) {
      if (it->first != segment) continue;
      files_.splice(files_.begin(), files_, it);
      return it->second;
    }
    auto file = disk_.Open(folder_.PathOf(segment), DiskEnvironment::Mode::kRead);
    if (file == nullptr) return nullptr;
    files_.emplace_front(segment, file);
    if (files_.size() > kMostOpen) files_.pop_back();
    return file;
  }

 private:
  static constexpr size_t kMostOpen =
      32;  // two descriptors each: far below any limit on descriptors

  DiskEnvironment& disk_;
  const SegmentFolder& folder_;
  std::list<std::pair<uint64_t, std::shared_ptr<OpenFile>>> files_;  // last used first
};

}  // namespace quire
