#include "kernels/elementary.h"
#include "kernels/head_quant.h"
#include "kernels/lanes.h"
#include "kernels/ops_table.h"

namespace quire::QUIRE_ISA_NAMESPACE {
namespace {

constexpr uint32_t kLanes = 16;

void RmsNorm(const float* x, const float* weight, float epsilon, uint32_t size, float* out) {
  F32x16 squares = ZeroF32();
  for (uint32_t i = 0; i < size; i += kLanes) {
    const F32x16 v = LoadF32(x + i);
    squares = Fma(v, v, squares);
  }
  const float mean = ReduceAdd(squares) / static_cast<float>(size);
  const F32x16 factor = SplatF32(1.0f) / Sqrt(SplatF32(mean + epsilon));
  for (uint32_t i = 0; i < size; i += kLanes) {
    StoreF32(out + i, LoadF32(x + i) * factor * LoadF32(weight + i));
  }
}

void SiluGate(const float* gate, const float* up, uint32_t size, float* out) {
  for (uint32_t i = 0; i < size; i += kLanes) {
    StoreF32(out + i, Silu(LoadF32(gate + i)) * LoadF32(up + i));
  }
}

void GeluGate(const float* gate, const float* up, uint32_t size, float* out) {
  for (uint32_t i = 0; i < size; i += kLanes) {
    StoreF32(out + i, GeluTanh(LoadF32(gate + i)) * LoadF32(up + i));
  }
}

void ScaleBy(float* x, float factor, uint32_t size) {
  const F32x16 factors = SplatF32(factor);
  for (uint32_t i = 0; i < size; i += kLanes) {
    StoreF32(x + i, LoadF32(x + i) * factors);
  }
}

void AddTo(const float* x, uint32_t size, float* inout) {
  for (uint32_t i = 0; i < size; i += kLanes) {
    StoreF32(inout + i, LoadF32(inout + i) + LoadF32(x + i));
  }
}

// The loops of rope have no reduction and no FMA, so the compiler may vectorise them as it likes:
// every element is the same two products and one sum.
void RopeAdjacent(const RopeJob& job, float* x) {
  const uint32_t half = job.rope_dims / 2;
  const float* __restrict cosines = job.cos_sin;
  const float* __restrict sines = job.cos_sin + half;
  for (uint32_t head = 0; head < job.heads; ++head) {
    float* __restrict pairs = x + size_t{head} * job.head_dim;
    for (uint32_t i = 0; i < half; ++i) {
      const float a = pairs[2 * i];
      const float b = pairs[2 * i + 1];
      pairs[2 * i] = a * cosines[i] - b * sines[i];
      pairs[2 * i + 1] = a * sines[i] + b * cosines[i];
    }
  }
}

void RopeHalves(const RopeJob& job, float* x) {
  const uint32_t half = job.rope_dims / 2;
  const float* __restrict cosines = job.cos_sin;
  const float* __restrict sines = job.cos_sin + half;
  for (uint32_t head = 0; head < job.heads; ++head) {
    float* __restrict first = x + size_t{head} * job.head_dim;
    float* __restrict second = first + half;
    for (uint32_t i = 0; i < half; ++i) {
      const float a = first[i];
      const float b = second[i];
      first[i] = a * cosines[i] - b * sines[i];
      second[i] = a * sines[i] + b * cosines[i];
    }
  }
}

float ExpOne(float x) {
  float lanes[kLanes];
  StoreF32(lanes, Exp(SplatF32(x)));
  return lanes[0];
}

// The last, partial vector of a row, its missing lanes holding `filler`.
F32x16 LoadTail(const float* x, uint32_t count, float filler) {
  return Select(FirstLanes(count), LoadF32Partial(x, count), SplatF32(filler));
}

float MaxOf(const float* x, size_t size) {
  const float lowest = -__builtin_inff();
  F32x16 max = SplatF32(lowest);
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    max = Max(max, LoadF32(x + i));
  }
  if (i < size) max = Max(max, LoadTail(x + i, static_cast<uint32_t>(size - i), lowest));
  return ReduceMax(max);
}

float SumExpOfStretch(const float* x, float max, size_t size) {
  const F32x16 maxes = SplatF32(max);
  F32x16 sum = ZeroF32();
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    sum = sum + Exp(LoadF32(x + i) - maxes);
  }
  if (i < size) {
    const auto count = static_cast<uint32_t>(size - i);
    sum = sum + Exp(LoadTail(x + i, count, -__builtin_inff()) - maxes);
  }
  return ReduceAdd(sum);
}

// Stretches of 4096 are summed apart and then in double: a vocabulary of 256 k terms in one f32
// chain per lane would lose three digits.
double SumExp(const float* x, float max, size_t size) {
  constexpr size_t kStretch = 4096;
  double sum = 0;
  for (size_t i = 0; i < size; i += kStretch) {
    sum +=
        static_cast<double>(SumExpOfStretch(x + i, max, size - i < kStretch ? size - i : kStretch));
  }
  return sum;
}

void WeighRow(const WeighJob& job, float* out) {
  const F32x16 max = SplatF32(job.max);
  const F32x16 temperature = SplatF32(job.temperature);
  const F32x16 floor = SplatF32(job.floor);
  const auto weight = [&](F32x16 x) {
    return Select(LessEqual(floor, x), Exp((x - max) / temperature), ZeroF32());
  };
  size_t i = 0;
  for (; i + kLanes <= job.size; i += kLanes) StoreF32(out + i, weight(LoadF32(job.x + i)));
  if (i == job.size) return;
  const auto count = static_cast<uint32_t>(job.size - i);
  StoreF32Partial(out + i, weight(LoadF32Partial(job.x + i, count)), count);
}

constexpr float kMaxHalf = 65504.0f;
constexpr float kMaxFloat = 0x1.fffffep+127f;

void StoreHalfKeys(const float* k, uint32_t head_dim, uint32_t token, char* to) {
  uint16_t* const keys = reinterpret_cast<uint16_t*>(to) + token;
  for (uint32_t d = 0; d < head_dim; d += kLanes) {
    uint16_t rounded[kLanes];
    StoreF16(rounded, Finite(LoadF32(k + d), kMaxHalf));
    for (uint32_t i = 0; i < kLanes; ++i) keys[size_t{d + i} * kLanes] = rounded[i];
  }
}

void StoreFloatKeys(const float* k, uint32_t head_dim, uint32_t token, char* to) {
  float* const keys = reinterpret_cast<float*>(to) + token;
  for (uint32_t d = 0; d < head_dim; d += kLanes) {
    float finite[kLanes];
    StoreF32(finite, Finite(LoadF32(k + d), kMaxFloat));
    for (uint32_t i = 0; i < kLanes; ++i) keys[size_t{d + i} * kLanes] = finite[i];
  }
}

void StoreInt8Keys(const float* k, uint32_t head_dim, uint32_t token, char* to) {
  float rotated[kMaxHeadDim];
  int8_t bytes[kMaxHeadDim];
  for (uint32_t d = 0; d < head_dim; d += kLanes) {
    StoreF32(rotated + d, Finite(LoadF32(k + d), kMaxHalf));
  }
  Rotate(rotated, head_dim);
  reinterpret_cast<float*>(to + size_t{head_dim} * kLanes)[token] =
      Quantise(rotated, head_dim, bytes);
  for (uint32_t d = 0; d < head_dim; d += 4) {
    uint32_t four;
    __builtin_memcpy(&four, bytes + d, sizeof(four));
    __builtin_memcpy(to + size_t{d} * kLanes + token * sizeof(four), &four, sizeof(four));
  }
}

void StoreHalfValues(const float* v, uint32_t head_dim, uint32_t token, char* to) {
  uint16_t* const values = reinterpret_cast<uint16_t*>(to) + size_t{token} * head_dim;
  for (uint32_t d = 0; d < head_dim; d += kLanes) {
    StoreF16(values + d, Finite(LoadF32(v + d), kMaxHalf));
  }
}

void StoreFloatValues(const float* v, uint32_t head_dim, uint32_t token, char* to) {
  float* const values = reinterpret_cast<float*>(to) + size_t{token} * head_dim;
  for (uint32_t d = 0; d < head_dim; d += kLanes) {
    StoreF32(values + d, Finite(LoadF32(v + d), kMaxFloat));
  }
}

void StoreInt8Values(const float* v, uint32_t head_dim, uint32_t token, char* to) {
  float finite[kMaxHeadDim];
  for (uint32_t d = 0; d < head_dim; d += kLanes) {
    StoreF32(finite + d, Finite(LoadF32(v + d), kMaxHalf));
  }
  int8_t* const values = reinterpret_cast<int8_t*>(to) + size_t{token} * head_dim;
  reinterpret_cast<float*>(to + size_t{head_dim} * kLanes)[token] =
      Quantise(finite, head_dim, values);
}

void StoreKv(const KvPlace& place, const float* k, const float* v) {
  using Store = void (*)(const float*, uint32_t, uint32_t, char*);
  constexpr Store kKeys[] = {StoreHalfKeys, StoreFloatKeys, StoreInt8Keys};
  constexpr Store kValues[] = {StoreHalfValues, StoreFloatValues, StoreInt8Values};
  const Store store_keys = kKeys[static_cast<uint32_t>(place.key_kind)];
  const Store store_values = kValues[static_cast<uint32_t>(place.value_kind)];
  for (uint32_t head = 0; head < place.kv_heads; ++head) {
    const size_t first = size_t{head} * place.head_dim;
    store_keys(k + first, place.head_dim, place.token, place.keys + head * place.key_head_bytes);
    store_values(v + first, place.head_dim, place.token,
                 place.values + head * place.value_head_bytes);
  }
}

}  // namespace

extern const OpsTable kOps;
const OpsTable kOps = {
    .rms_norm = RmsNorm,
    .silu_gate = SiluGate,
    .gelu_gate = GeluGate,
    .scale = ScaleBy,
    .add = AddTo,
    .rope_adjacent = RopeAdjacent,
    .rope_halves = RopeHalves,
    .exp = ExpOne,
    .max = MaxOf,
    .sum_exp = SumExp,
    .weigh_row = WeighRow,
    .store_kv = StoreKv,
};

}  // namespace quire::QUIRE_ISA_NAMESPACE
