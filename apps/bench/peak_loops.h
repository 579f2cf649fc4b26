// apps/bench/peak_loops.h -- loops that do nothing but what the CPU is best at.
//
// How fast they run is the ceiling that kernels are measured against. Inline assembly: compilers
// spill when a loop holds as many accumulators as a CPU needs to be kept busy.
//
// Threads  pure: run them on as many threads at once as there are cores to measure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/dispatch.h"

namespace quire {

// Multiplications and additions (each counts) that one round does. 0 where the set has no such loop
// (portable), or the CPU is not an x86.
double DotOpsPerRound(Isa isa);
double FmaOpsPerRound(Isa isa);

// The fastest exact sequence for sums of products of bytes that `isa` has. The CPU must have `isa`.
void DotLoop(Isa isa, uint64_t rounds);

// Fused multiply-adds of float32.
void FmaLoop(Isa isa, uint64_t rounds);

// Reads every byte once, with prefetching; `bytes` is a multiple of 256.
void ReadLoop(const std::byte* data, size_t bytes);

}  // namespace quire
