#include "bench/peak.h"

#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "apps/bench/peak_loops.h"
#include "kernels/dispatch.h"

namespace quire {
namespace {

constexpr int kRuns = 5;
constexpr uint64_t kRounds = 2'000'000;

}  // namespace

double PeakDotProducts() {
  const Isa isa = AvailableIsas().back();
  double best = 0;
  for (int i = 0; i < kRuns; ++i) {
    const double start = ThreadSeconds();
    DotLoop(isa, kRounds);
    best = std::max(best, DotOpsPerRound(isa) / 2 * kRounds / (ThreadSeconds() - start));
  }
  return best;
}

double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double ReadRate(const void* data, size_t bytes) {
  const double start = ThreadSeconds();
  ReadLoop(static_cast<const std::byte*>(data), bytes);
  return static_cast<double>(bytes) / (ThreadSeconds() - start);
}

double PeakReadBytes() {
  constexpr size_t kBytes = size_t{256} << 20;
  constexpr size_t kPage = size_t{2} << 20;
  void* memory = std::aligned_alloc(kPage, kBytes);
  if (memory == nullptr) return 0;
  madvise(memory, kBytes, MADV_HUGEPAGE);
  std::memset(memory, 1, kBytes);
  double best = 0;
  for (int i = 0; i < kRuns; ++i) best = std::max(best, ReadRate(memory, kBytes));
  std::free(memory);
  return best;
}

}  // namespace quire
