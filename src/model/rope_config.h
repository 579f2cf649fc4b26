// model/rope_config.h -- the rotation frequencies of a model, with its context scaling applied.
//
//   plain   f(i) = base^(-2 i / dims)
//   linear  f(i) / factor
//   llama3  f(i) / factor(i): per-frequency factors, stored in `rope_freqs.weight` or made from
//           metadata (long wavelengths are stretched, short ones kept, a ramp in between)
//   yarn    a ramp over i between f(i) / factor and f(i); cos and sin grow by a magnitude
//
// All of it is computed in double by our own exp and log, so that every machine has equal bits.
//
// Errors  kUnsupported for other kinds of scaling (naming it), kCorrupt for impossible values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/metadata_reader.h"

namespace quire {

struct RopeConfig;

// base^(-2 i / dims) for i < dims / 2.
std::vector<double> InverseFrequencies(double base, uint32_t dims);

// Applies the scaling that the metadata and the tensor `rope_freqs.weight` ask for. `rope` holds
// the plain frequencies of `base`.
Status ScaleRope(const MetadataReader& metadata, double base, RopeConfig& rope);

// Natural logarithm and exponential in double, from +, -, *, / and fma alone: within 4 units in the
// last place for finite arguments whose result is finite; ExactLog wants x > 0.
double ExactLog(double x);
double ExactExp(double x);

}  // namespace quire
