#include "apps/bench/machine_peaks.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "apps/bench/peak_loops.h"
#include "base/size.h"

namespace quire {
namespace {

constexpr size_t kMemoryBytes = 256 * kMiB;  // several times the last cache of most CPUs
constexpr size_t kHugePage = 2 * kMiB;
constexpr uint64_t kRounds = 100'000;  // about half a millisecond: seldom interrupted
constexpr uint32_t kBarriers = 2000;
constexpr int kLoopRuns = 12;
constexpr int kReadRuns = 3;

template <typename Work>
double BestSeconds(int runs, const Work& work) {
  double best = 1e9;
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

// Ops a second of `loop`, which does `ops` of them on each thread that runs it.
template <typename Loop>
PeakRate RateOf(WorkerPool& pool, double ops, const Loop& loop) {
  if (ops == 0) return {};
  const double alone = BestSeconds(kLoopRuns, loop);
  const double together =
      BestSeconds(kLoopRuns, [&] { pool.Run([&loop](const Worker&) { loop(); }); });
  return {ops / alone, ops * pool.count() / together};
}

Isa MeasuredIsa() {
  return DotOpsPerRound(CurrentIsa()) > 0 ? CurrentIsa() : AvailableIsas().back();
}

}  // namespace

// One mapping; the first half asks for huge pages, the second refuses them.
struct PeakMeter::Memory {
  ~Memory() {
    if (mapping != MAP_FAILED) munmap(mapping, kMapped);
  }
  static constexpr size_t kMapped = 2 * kMemoryBytes + kHugePage;
  void* mapping = MAP_FAILED;
  std::byte* huge = nullptr;
  std::byte* small = nullptr;
};

Result<std::unique_ptr<PeakMeter>> PeakMeter::Create(WorkerPool& pool) {
  auto memory = std::make_unique<Memory>();
  memory->mapping = mmap(nullptr, Memory::kMapped, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory->mapping == MAP_FAILED) {
    return Refuse(ErrorCode::kIo,
                  fmt::format("the system refused {} of memory to measure its speed: {}",
                              FormatSize(Memory::kMapped), std::strerror(errno)));
  }
  const uintptr_t start = reinterpret_cast<uintptr_t>(memory->mapping);
  memory->huge = static_cast<std::byte*>(memory->mapping) + (kHugePage - start % kHugePage);
  memory->small = memory->huge + kMemoryBytes;
  madvise(memory->huge, kMemoryBytes, MADV_HUGEPAGE);
  madvise(memory->small, kMemoryBytes - kHugePage, MADV_NOHUGEPAGE);
  pool.Run([&memory](const Worker& worker) {  // not zero: a zero page is shared and cached
    const auto [begin, end] = worker.Share(2 * kMemoryBytes / kHugePage - 1);
    std::memset(memory->huge + begin * kHugePage, 1, (end - begin) * kHugePage);
  });
  return std::unique_ptr<PeakMeter>(new PeakMeter(pool, std::move(memory)));
}

PeakMeter::PeakMeter(WorkerPool& pool, std::unique_ptr<Memory> memory)
    : pool_(pool), isa_(MeasuredIsa()), memory_(std::move(memory)) {}

PeakMeter::~PeakMeter() = default;

MachinePeaks PeakMeter::Measure() {
  return {.dot = Dots(),
          .fma = Fmas(),
          .read_huge = Reads(memory_->huge),
          .read_small = Reads(memory_->small),
          .barrier_seconds = Barrier()};
}

PeakRate PeakMeter::Dots() {
  return RateOf(pool_, DotOpsPerRound(isa_) * kRounds, [this] { DotLoop(isa_, kRounds); });
}

PeakRate PeakMeter::Fmas() {
  return RateOf(pool_, FmaOpsPerRound(isa_) * kRounds, [this] { FmaLoop(isa_, kRounds); });
}

// Workers read disjoint shares, as they do when they read weights.
PeakRate PeakMeter::Reads(const std::byte* data) {
  constexpr size_t kBytes = kMemoryBytes - kHugePage;
  const double alone = BestSeconds(kReadRuns, [&] { ReadLoop(data, kBytes); });
  const double together = BestSeconds(kReadRuns, [&] {
    pool_.Run([&](const Worker& worker) {
      const auto [begin, end] = worker.Share(kBytes / kKiB);
      ReadLoop(data + begin * kKiB, (end - begin) * kKiB);
    });
  });
  return {kBytes / alone, kBytes / together};
}

double PeakMeter::Barrier() {
  return BestSeconds(kReadRuns,
                     [this] {
                       pool_.Run([](const Worker& worker) {
                         for (uint32_t i = 0; i < kBarriers; ++i) worker.Barrier();
                       });
                     }) /
         kBarriers;
}

}  // namespace quire
