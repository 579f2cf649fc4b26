// kernels/head_quant.h -- one head of one token as integers with a scale, the same everywhere.
//
// For *_isa.cc files only (lanes.h).
//
//   Rotate    x = H x, H the Hadamard matrix of the largest power of two that divides head_dim,
//   over
//             stretches of that size, not normalised: (H a).(H b) = RotationSize * a.b. An outlier
//             of one dimension is spread over all of its stretch, so that eight bits suffice.
//   Quantise  scale = max|x| / limit, integers = x * (limit / max|x|), halves to even. Of values so
//             small that this would overflow the integers are 0 and the scale is 0. Keys and values
//             have 8 bits (limit 127), queries 16 (limit 32767).
//
// Every element is one sum or difference per stage, in the order of stages 1, 2, 4, ...: no
// reduction, so the compiler may vectorise as it likes.
#pragma once

#include "kernels/lanes.h"

namespace quire::QUIRE_ISA_NAMESPACE {

constexpr uint32_t RotationSize(uint32_t head_dim) { return head_dim & (~head_dim + 1); }

typedef float Quad __attribute__((vector_size(16)));
typedef int32_t QuadBits __attribute__((vector_size(16)));

// (a, b, c, d) -> (a + b, a - b, c + d, c - d), then (a + c, b + d, a - c, b - d) of that.
QUIRE_INLINE Quad RotateQuad(Quad x) {
  const QuadBits odd = {0, INT32_MIN, 0, INT32_MIN};
  const QuadBits high = {0, 0, INT32_MIN, INT32_MIN};
  x = __builtin_shufflevector(x, x, 1, 0, 3, 2) + (Quad)((QuadBits)x ^ odd);
  return __builtin_shufflevector(x, x, 2, 3, 0, 1) + (Quad)((QuadBits)x ^ high);
}

// The stage that pairs elements `step` (a multiple of 4) apart.
QUIRE_INLINE void RotateStage(float* x, uint32_t head_dim, uint32_t step) {
  for (uint32_t first = 0; first < head_dim; first += 2 * step) {
    float* __restrict low = x + first;
    float* __restrict high = low + step;
    for (uint32_t i = 0; i < step; ++i) {
      const float a = low[i];
      const float b = high[i];
      low[i] = a + b;
      high[i] = a - b;
    }
  }
}

QUIRE_INLINE void Rotate(float* x, uint32_t head_dim) {
  for (uint32_t d = 0; d < head_dim; d += 4) {
    Quad quad;
    __builtin_memcpy(&quad, x + d, sizeof(quad));
    quad = RotateQuad(quad);
    __builtin_memcpy(x + d, &quad, sizeof(quad));
  }
  for (uint32_t step = 4; step < RotationSize(head_dim); step *= 2) RotateStage(x, head_dim, step);
}

// What Quantise multiplies by, and the scale that undoes it.
struct QuantScale {
  F32x16 inverse;
  float scale;
};
QUIRE_INLINE QuantScale ScaleOf(const float* x, uint32_t head_dim, float limit) {
  constexpr float kSmallest = 0x1p-60f;
  F32x16 max = ZeroF32();
  for (uint32_t d = 0; d < head_dim; d += 16) max = Max(max, Abs(LoadF32(x + d)));
  const float largest = ReduceMax(max);
  if (!(largest >= kSmallest)) return {ZeroF32(), 0.0f};
  return {SplatF32(limit) / SplatF32(largest), largest / limit};
}

// Writes head_dim integers and returns their scale.
QUIRE_INLINE float Quantise(const float* x, uint32_t head_dim, int8_t* bytes) {
  const QuantScale scale = ScaleOf(x, head_dim, 127.0f);
  for (uint32_t d = 0; d < head_dim; d += 16) {
    StoreI8(bytes + d, ToI32(LoadF32(x + d) * scale.inverse));
  }
  return scale.scale;
}
QUIRE_INLINE float Quantise(const float* x, uint32_t head_dim, int16_t* words) {
  const QuantScale scale = ScaleOf(x, head_dim, 32767.0f);
  for (uint32_t d = 0; d < head_dim; d += 16) {
    int32_t integers[16];
    StoreI32(integers, ToI32(LoadF32(x + d) * scale.inverse));
    for (uint32_t i = 0; i < 16; ++i) words[d + i] = static_cast<int16_t>(integers[i]);
  }
  return scale.scale;
}

// Saturates to +-limit; NaN becomes -limit. So every stored value is finite, and a masked token
// (probability 0) adds exactly nothing in attention.
QUIRE_INLINE F32x16 Finite(F32x16 x, float limit) {
  return Min(Max(x, SplatF32(-limit)), SplatF32(limit));
}

}  // namespace quire::QUIRE_ISA_NAMESPACE
