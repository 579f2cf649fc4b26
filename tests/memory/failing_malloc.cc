#include "tests/memory/failing_malloc.h"

#include <atomic>
#include <cstdlib>

namespace quire::test {

namespace {

constexpr uint64_t kNever = ~uint64_t{0};

constinit thread_local uint64_t allocations_left = kNever;
constinit thread_local int spared = 0;
std::atomic<uint32_t> fails_one_in = 0;  // 0: none
std::atomic<size_t> fails_from_bytes = 0;
std::atomic<uint64_t> random_state = 0;
std::atomic<uint64_t> failed = 0;

uint64_t Mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

bool ShouldFail(size_t bytes) {
  if (allocations_left != kNever && allocations_left-- == 0) {
    allocations_left = kNever;
    return true;
  }
  const uint32_t one_in = fails_one_in.load(std::memory_order_relaxed);
  if (one_in == 0 || spared > 0 || bytes < fails_from_bytes.load()) return false;
  if (Mixed(random_state.fetch_add(0x9e3779b97f4a7c15u)) % one_in != 0) return false;
  failed.fetch_add(1);
  return true;
}

}  // namespace

void FailNth(uint64_t n) { allocations_left = n; }

bool has_failed() {
  const bool done = allocations_left == kNever;
  allocations_left = kNever;
  return done;
}

void Fail(const Failures& failures) {
  random_state = Mixed(failures.seed);
  fails_from_bytes = failures.least_bytes;
  fails_one_in = failures.one_in;
}

void StopFailing() { fails_one_in = 0; }

uint64_t num_failed() { return failed.load(); }

Spared::Spared() { ++spared; }
Spared::~Spared() { --spared; }

}  // namespace quire::test

extern "C" {

void* __real_malloc(size_t bytes);  // NOLINT: the linker's name

void* __wrap_malloc(size_t bytes);
void* __wrap_malloc(size_t bytes) {
  return quire::test::ShouldFail(bytes) ? nullptr : __real_malloc(bytes);
}

}  // extern "C"
