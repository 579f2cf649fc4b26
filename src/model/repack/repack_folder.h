// model/repack/repack_folder.h -- the folder that keeps repacked weights: finding, adding,
// bounding.
//
// One file per model and layout (repack_image.h), and an index of digests (digest_index.h). The sum
// of the files stays below a limit: before a file is added, those that were used longest ago go. A
// file's time of change is the time of its last use. Any number of processes may share the folder:
// files are replaced whole, and one that is deleted while mapped stays readable to who mapped it.
// It is always safe to delete any of it.
//
// Threads  any; holds no state but its settings.
// Errors   kNotFound: no such file; kCorrupt: it is not what it should be; kNeverFits: more than
//          the limit; kIo: the system refused. Each message names the file or the folder.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/mapped_file.h"
#include "base/result.h"
#include "base/worker_pool.h"
#include "model/repack/repack_image.h"

namespace quire {

class RepackFolder {
 public:
  RepackFolder(std::string path, uint64_t limit_bytes);

  // ${XDG_CACHE_HOME:-~/.cache}/quire/repacked, or "" if there is no home.
  static std::string DefaultPath();

  // The checked image of `key`, mapped; marks it as used.
  Result<MappedFile> Open(const RepackKey& key, WorkerPool& pool) const;

  // Makes room and writes a sealed image. Creates the folder.
  Status Add(const RepackKey& key, std::span<const std::byte> image,
             const std::function<void(uint64_t done_bytes)>& progress) const;

  // Of the files that count towards the limit.
  struct Usage {
    uint32_t files = 0;
    uint64_t bytes = 0;
  };
  Usage usage() const;

  const std::string& path() const { return path_; }
  uint64_t limit_bytes() const { return limit_bytes_; }
  std::string PathOf(const RepackKey& key) const;

 private:
  Status Create() const;
  void MakeRoom(uint64_t bytes, const std::string& kept_path) const;

  std::string path_;
  uint64_t limit_bytes_;
};

}  // namespace quire
