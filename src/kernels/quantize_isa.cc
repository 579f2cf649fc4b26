// Activations to int8, one scale per token and block of 32.
#include "kernels/lanes.h"
#include "kernels/matmul_kernels.h"

namespace quire::QUIRE_ISA_NAMESPACE {

// Per block: amax = max |x|; below 1e-30 all is zero; else da = amax / 127 and
// q = round_half_even(x * (127 / amax)).
void Quantize(const float* x, uint32_t blocks, uint32_t width, uint8_t* first) {
  const size_t row_bytes = size_t{4} * width;
  for (uint32_t b = 0; b < blocks; ++b, x += 32, first += kRecordRows * row_bytes) {
    const F32x16 low = LoadF32(x);
    const F32x16 high = LoadF32(x + 16);
    const float amax = ReduceMax(Max(Abs(low), Abs(high)));
    const bool tiny = !(amax >= 1e-30f);
    const float da = tiny ? 0.0f : amax / 127.0f;
    const F32x16 inverse = SplatF32(tiny ? 0.0f : 127.0f / amax);
    int8_t q[32];
    StoreI8(q, ToI32(low * inverse));
    StoreI8(q + 16, ToI32(high * inverse));
    int32_t sums[2] = {0, 0};
    for (int i = 0; i < 32; ++i) sums[i / 16] += q[i];
    for (uint32_t j = 0; j < 8; ++j) __builtin_memcpy(first + j * row_bytes, q + 4 * j, 4);
    const int32_t minus[3] = {-sums[0] - sums[1], -sums[0], -sums[1]};
    const float scales[2] = {da, da * static_cast<float>(sums[0] + sums[1])};
    for (uint32_t j = 0; j < 3; ++j) {
      __builtin_memcpy(first + (8 + j) * row_bytes, &minus[j], 4);
    }
    __builtin_memcpy(first + 11 * row_bytes, &scales[0], 4);
    __builtin_memcpy(first + 12 * row_bytes, &scales[1], 4);
  }
}

}  // namespace quire::QUIRE_ISA_NAMESPACE
