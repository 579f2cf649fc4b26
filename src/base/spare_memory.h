// base/spare_memory.h -- memory kept back, so that what holds the server together does not fail
// when what it works on does.
//
//   operator new: malloc --it gives none--> the spare, as far as the thread may --> std::bad_alloc
//
// Most threads may not: what finds no memory ends, alone. A SparePermit covers what must go on
// nevertheless: the bookkeeping of a step, the words in which a request is told of its end, the way
// from one thread to another. While an exception is under way all of the spare may be used: a
// destructor that finds no memory would end the process.
//
// Linking this file replaces the global operators new and delete, but not std::aligned_alloc:
// memory for devices and kernels, which is large, and taken at the start.
//
// Threads  any.
// Cost     of an allocation that succeeds: none. Address space, of which nothing is touched before
//          it is needed. Blocks are powers of two; they come back whole, and are never split.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quire {

enum class SpareUse : uint8_t {
  kNone,
  kRequest,  // three quarters of it: destructors of what was parsed need as much as that, once more
  kServer,   // all of it, in pieces of 64 KiB: what is larger belongs to one of those it serves
  kAll,
};

class SpareMemory {
 public:
  // From now on `bytes` are kept back. Once in a process, before other threads begin. False if the
  // system does not give them: then there is no spare.
  static bool Keep(size_t bytes);

  static size_t used_bytes();
  // More is used than requests may use, and the system still gives none: whoever can do with less
  // should.
  static bool scarce();
};

// While it lives, its thread may use the spare so. Of the permits of a thread the last one counts.
class SparePermit {
 public:
  explicit SparePermit(SpareUse use);
  ~SparePermit();
  SparePermit(const SparePermit&) = delete;
  SparePermit& operator=(const SparePermit&) = delete;

 private:
  SpareUse before_;
};

}  // namespace quire
