// tests/memory/failing_malloc.h -- allocations that fail, when a test wants them to.
//
// Those of the replaced operator new (base/spare_memory.h), hence of nearly everything.
//
// Threads  any; what is set holds for all of them, but for those that are spared.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quire::test {

// The allocation of number `n` from now, 0 being the next, of this thread: once.
void FailNth(uint64_t n);
bool has_failed();  // whether that many were made since FailNth

// Of all other threads: one in `one_in`, of `least_bytes` or more, as the seed will have it.
struct Failures {
  uint64_t seed = 1;
  uint32_t one_in = 1;
  size_t least_bytes = 0;
};
void Fail(const Failures& failures);
void StopFailing();
uint64_t num_failed();  // since the program began

// While it lives, nothing fails on this thread by Fail: it belongs to the test.
class Spared {
 public:
  Spared();
  ~Spared();
  Spared(const Spared&) = delete;
  Spared& operator=(const Spared&) = delete;
};

}  // namespace quire::test
