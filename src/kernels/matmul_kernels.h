// kernels/matmul_kernels.h -- the kernels behind MatMul: which one takes which job.
//
//   MultiplyFew    quantised weights, up to kMaxFewTokens tokens: unpacks in registers
//   MultiplyMany   quantised weights, more tokens: unpacks pieces into the first-level cache first
//   MultiplyFloat  float weights
//
// For *_isa.cc files. All give the bits of matmul_steps.h.
#pragma once

#include "kernels/matmul_table.h"

namespace quire::QUIRE_ISA_NAMESPACE {

// The most tokens of MultiplyFew: unpacking anew for every panel of tokens costs less up to here
// than the way through the cache, as measured on Zen 5 with AVX-512; with AVX2 it is all the same.
inline constexpr uint32_t kMaxFewTokens = 32;

void MultiplyFew(const MatMulJob& job);
void MultiplyMany(const MatMulJob& job);
void MultiplyFloat(const MatMulJob& job);

void Quantize(const float* x, uint32_t blocks, uint32_t width, uint8_t* first);

}  // namespace quire::QUIRE_ISA_NAMESPACE
