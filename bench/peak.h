// bench/peak.h -- what one core of this machine can do at most, measured now.
//
// Benchmarks print ratios to these, since machines differ and are noisy.
#pragma once

#include <cstddef>

namespace quire {

// Byte products a second (one multiply and one add each count as one) of the fastest exact dot
// instruction sequence of the CPU, from registers (apps/bench/peak_loops.h).
double PeakDotProducts();

// Bytes a second one core reads from `bytes` (a multiple of 256; far larger than the caches).
double ReadRate(const void* data, size_t bytes);

// The same over memory of its own on huge pages, best of a few.
double PeakReadBytes();

// Time this thread has run: other work on a shared machine must not count.
double ThreadSeconds();

}  // namespace quire
