// apps/bench/machine_peaks.h -- what this machine can do at most, measured now.
//
// Machines differ and drift by tens of percent between minutes, so a rate means something only
// beside the ceiling measured next to it. Dots and FMAs are those of the instruction set in use, or
// of the best one the CPU has when that one has no loop of its own (portable).
//
// Threads  one caller; it and the workers of `pool` run the loops.
#pragma once

#include <cstddef>
#include <memory>

#include "base/result.h"
#include "base/worker_pool.h"
#include "kernels/dispatch.h"

namespace quire {

struct PeakRate {
  double one_core = 0;
  double all_cores = 0;  // of all workers of the pool together
};

struct MachinePeaks {
  PeakRate dot;                // byte products and their additions a second; 0: unknown
  PeakRate fma;                // float32 multiplications and additions a second; 0: unknown
  PeakRate read_huge;          // bytes a second from memory on 2 MiB pages
  PeakRate read_small;         // from 4 KiB pages
  double barrier_seconds = 0;  // until all workers have met
};

class PeakMeter {
 public:
  // Takes memory far larger than the caches, twice. kIo if the system refuses it.
  static Result<std::unique_ptr<PeakMeter>> Create(WorkerPool& pool);
  ~PeakMeter();
  PeakMeter(const PeakMeter&) = delete;
  PeakMeter& operator=(const PeakMeter&) = delete;

  // Each rate is the best of a few short runs; about 0.3 s in all.
  MachinePeaks Measure();

  Isa isa() const { return isa_; }  // whose dots and FMAs are measured

 private:
  struct Memory;
  PeakMeter(WorkerPool& pool, std::unique_ptr<Memory> memory);
  PeakRate Dots();
  PeakRate Fmas();
  PeakRate Reads(const std::byte* data);
  double Barrier();

  WorkerPool& pool_;
  const Isa isa_;
  std::unique_ptr<Memory> memory_;
};

}  // namespace quire
