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
#include <span>
#include <string>

#include "base/result.h"

namespace quire {

class MappedFile {
 public:
  static Result<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }  // page-aligned; empty if the file is

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace quire
