// tier/io/disk_environment.h -- the file system as the disk tier uses it, so that tests can put
// one in its place that fails.
//
// Threads  any, for different files.
// Errors   as the system calls: -errno, or nullopt.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tier/io/io_queue.h"

namespace quire {

// An open file; closed when nobody needs it any more, which may be after it was deleted.
class OpenFile {
 public:
  // `cached_fd`: the same file by way of the page cache; -1: none.
  OpenFile(int fd, bool direct, int cached_fd = -1)
      : fd_(fd), direct_(direct), cached_fd_(cached_fd) {}
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int fd() const { return fd_; }
  bool direct() const { return direct_; }                          // past the page cache
  bool has_cached() const { return cached_fd_ >= 0 || !direct_; }  // else cached_fd() is direct too
  int cached_fd() const { return cached_fd_ >= 0 ? cached_fd_ : fd_; }

 private:
  const int fd_;
  const bool direct_;
  const int cached_fd_;
};

class DiskEnvironment {
 public:
  virtual ~DiskEnvironment() = default;

  // io_uring, or threads where that is refused.
  virtual std::unique_ptr<IoQueue> MakeQueue(uint32_t depth);

  enum class Mode : uint8_t { kRead, kCreate, kRepair };  // kCreate: must be new
  // With direct I/O where the file system has it, but for kRepair. Null, with errno set, if not.
  virtual std::shared_ptr<OpenFile> Open(const std::string& path, Mode mode);

  // Blocking, of files opened for kRepair or kRead without direct I/O. Bytes or -errno.
  virtual int64_t ReadAt(const OpenFile& file, std::span<std::byte> bytes, uint64_t offset);
  virtual int64_t WriteAt(const OpenFile& file, std::span<const std::byte> bytes, uint64_t offset);

  virtual bool Truncate(const OpenFile& file, uint64_t bytes);
  struct Range {
    uint64_t offset = 0;
    uint64_t bytes = 0;
  };
  // Which pages of kIoAlign bytes the system has in memory, from the first that the range touches
  // to the last: a hint, as it may drop them at any time. Empty where it does not tell.
  virtual std::vector<bool> PagesInMemory(const OpenFile& file, const Range& range);
  // Blocking, by way of the page cache. Bytes or -errno.
  virtual int64_t ReadCached(const OpenFile& file, std::span<std::byte> bytes, uint64_t offset);
  virtual int64_t WriteCached(const OpenFile& file, std::span<std::byte> bytes, uint64_t offset);
  // Gives the bytes back to the file system; they read as zeros. False where it cannot.
  virtual bool PunchHole(const OpenFile& file, const Range& range);
  // Waits until what was written there by way of the page cache is with the disk. 0 or -errno.
  virtual int64_t WaitWritten(const OpenFile& file, const Range& range);
  // The system need not keep this in memory any more.
  virtual void Uncache(const OpenFile& file, const Range& range);

  virtual std::optional<uint64_t> FreeBytes(const std::string& folder);  // for ordinary users
};

}  // namespace quire
