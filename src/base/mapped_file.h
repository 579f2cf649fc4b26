// base/mapped_file.h -- a whole file as read-only memory.
//
// Owner    the object owns the mapping; `bytes()` is valid, at a fixed address, until it dies, also
//          after a move.
// Threads  immutable after Open: any number of readers.
// Errors   kNotFound when there is no such file, kInvalidArgument when it is no regular file, kIo
//          for the rest; each names the path. A file that someone cuts short while it is mapped
//          raises SIGBUS on the next read: nothing in userspace can turn that into an Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace quire {

// Which file, and which state of it, was opened. Whoever writes to a file changes its times, so
// equal identities mean equal bytes, unless a clock was set back or the disk lost them.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;  // of the contents
  int64_t changed_ns = 0;   // of the contents or the inode; cannot be set by hand
  bool operator==(const FileIdentity&) const = default;
};

class MappedFile {
 public:
  static Result<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }  // page-aligned; empty if the file is
  const FileIdentity& identity() const { return identity_; }   // when it was opened

 private:
  MappedFile(std::span<const std::byte> bytes, const FileIdentity& identity)
      : bytes_(bytes), identity_(identity) {}
  std::span<const std::byte> bytes_;
  FileIdentity identity_;
};

}  // namespace quire
