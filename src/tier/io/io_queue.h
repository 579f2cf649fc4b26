// tier/io/io_queue.h -- reads and writes that are handed to the system and taken back when done.
//
//   Submit  ->  in flight  ->  Wait
//
// Two kinds: io_uring (uring_queue.h), and where that is refused a few threads that block
// (thread_queue.h). Tests put a third one in front of either, which fails as disks do.
//
// Threads  none: one thread owns a queue.
// Bounds   depth() operations in flight.
// Errors   each operation's result is what pread or pwrite would have returned, or -errno: fewer
//          bytes than asked for are the owner's to notice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace quire {

struct IoRequest {
  enum class Kind : uint8_t { kRead, kWrite };
  Kind kind = Kind::kRead;
  int fd = -1;  // stays open until the operation was taken back
  uint64_t offset = 0;
  std::span<std::byte> bytes;  // likewise; a write does not change them
  uint64_t tag = 0;            // given back with the result
};

struct IoResult {
  uint64_t tag = 0;
  int64_t result = 0;  // bytes, or -errno
};

class IoQueue {
 public:
  virtual ~IoQueue() = default;

  virtual bool Submit(const IoRequest& request) = 0;  // false: depth() are in flight
  // Fills `done` with what is finished and returns how many; waits for one if none is and there
  // are operations in flight.
  virtual size_t Wait(std::span<IoResult> done) = 0;
  virtual uint32_t in_flight() const = 0;
  virtual uint32_t depth() const = 0;
  virtual std::string_view name() const = 0;  // for people
};

}  // namespace quire
