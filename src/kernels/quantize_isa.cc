// Activations to int8, one scale per token and block of 32.
//
// Per block: amax = max |x|; below 1e-30 all is zero; else da = amax / 127 and
// q = round_half_even(x * (127 / amax)).
#include "kernels/lanes.h"
#include "kernels/matmul_kernels.h"

namespace quire::QUIRE_ISA_NAMESPACE {
namespace {

constexpr uint32_t kRun = 16;  // blocks taken together: their scales fill the lanes of one division

struct Run {
  alignas(64) float amax[kRun];
  alignas(64) float inverse[kRun];
  alignas(64) float da[kRun];
  alignas(64) int8_t q[kRun][32];
  int32_t minus_sums[kRun][2];  // of each half
};

void ScalesOfRun(const float* x, uint32_t blocks, Run& run) {
  StoreF32(run.amax, ZeroF32());
  for (uint32_t b = 0; b < blocks; ++b) {
    const F32x16 low = Abs(LoadF32(x + 32 * b));
    run.amax[b] = ReduceMax(Max(low, Abs(LoadF32(x + 32 * b + 16))));
  }
  const F32x16 amax = LoadF32(run.amax);
  const Mask16 tiny = Not(LessEqual(SplatF32(1e-30f), amax));
  StoreF32(run.da, Select(tiny, ZeroF32(), amax / SplatF32(127.0f)));
  const F32x16 divisor = Select(tiny, SplatF32(1.0f), amax);
  StoreF32(run.inverse, Select(tiny, ZeroF32(), SplatF32(127.0f) / divisor));
}

void QuantizeRun(const float* x, uint32_t blocks, Run& run) {
  for (uint32_t b = 0; b < blocks; ++b) {
    const F32x16 inverse = SplatF32(run.inverse[b]);
    StoreI8(run.q[b], ToI32(LoadF32(x + 32 * b) * inverse));
    StoreI8(run.q[b] + 16, ToI32(LoadF32(x + 32 * b + 16) * inverse));
  }
  for (uint32_t b = 0; b < blocks; b += 2) {
    MinusSums(run.q[b], run.minus_sums[b]);
  }
}

void Put(uint8_t* record, size_t at, const void* four_bytes) {
  __builtin_memcpy(record + at, four_bytes, 4);
}

void StoreRecord(const Run& run, uint32_t b, size_t row_bytes, uint8_t* record) {
  for (uint32_t j = 0; j < 8; ++j) Put(record, j * row_bytes, run.q[b] + 4 * j);
  const int32_t minus_first = run.minus_sums[b][0];
  const int32_t minus_second = run.minus_sums[b][1];
  const int32_t minus_sum = AddSums(minus_first, minus_second);
  const float scaled_sum = run.da[b] * static_cast<float>(-IntegerOf(minus_sum));
  Put(record, 8 * row_bytes, &minus_sum);
  Put(record, 9 * row_bytes, &minus_first);
  Put(record, 10 * row_bytes, &minus_second);
  Put(record, 11 * row_bytes, &run.da[b]);
  Put(record, 12 * row_bytes, &scaled_sum);
}

}  // namespace

void Quantize(const float* x, uint32_t blocks, uint32_t width, uint8_t* first) {
  const size_t row_bytes = size_t{4} * width;
  Run run;
  for (uint32_t begin = 0; begin < blocks; begin += kRun, x += 32 * kRun) {
    const uint32_t count = blocks - begin < kRun ? blocks - begin : kRun;
    ScalesOfRun(x, count, run);
    // An odd last block is summed together with the unused one after it.
    if (count % 2 != 0) __builtin_memset(run.q[count], 0, 32);
    QuantizeRun(x, count, run);
    for (uint32_t b = 0; b < count; ++b, first += kRecordRows * row_bytes) {
      StoreRecord(run, b, row_bytes, first);
    }
  }
}

}  // namespace quire::QUIRE_ISA_NAMESPACE
