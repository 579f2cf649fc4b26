// bench/peak.h -- what one core of this machine can do at most, measured now.
//
// Benchmarks print ratios to these, since machines differ and are noisy.
#pragma once

namespace quire {

// Byte products a second (one multiply and one add each count as one) of the fastest exact dot
// instruction sequence of the CPU, from registers: inline assembly, because compilers spill.
double PeakDotProducts();

// Bytes a second one core reads from memory far larger than the caches, on huge pages if any.
double PeakReadBytes();

}  // namespace quire
