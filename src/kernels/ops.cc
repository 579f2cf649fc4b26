#include "kernels/ops.h"

#include <bit>
#include <cstddef>
#include <limits>

#include "base/check.h"
#include "kernels/dispatch.h"
#include "kernels/ops_table.h"

namespace quire {
namespace {

constexpr uint32_t kLanes = 16;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

const OpsTable& Ops() { return QUIRE_ISA_PICK(kOps); }

// ln(2) in two parts: n * kLn2High is exact for |n| < 2^9.
constexpr float kLn2High = 0x1.62e4p-1f;
constexpr float kLn2Low = 0x1.7f7d1cp-20f;

// ln(1 + f) - f, for 1 + f in [sqrt(1/2), sqrt(2)]. With s = f / (2 + f) the logarithm is
// 2 s + s R(s^2), the series of 2 atanh(s) (R interpolated at Chebyshev nodes), and 2 s equals
// f - f^2/2 + s f^2/2: so f stays exact and only the small rest is rounded.
float LogRest(float f) {
  const float s = f / (2.0f + f);
  const float z = s * s;
  const float series =
      z * (0x1.555556p-1f + z * (0x1.9999ecp-2f + z * (0x1.245c38p-2f + z * 0x1.ddd172p-3f)));
  const float half_square = 0.5f * f * f;
  return s * (half_square + series) - half_square;
}

}  // namespace

void RmsNorm(const float* x, const float* weight, float epsilon, uint32_t size, float* out) {
  QUIRE_CHECK(size % kLanes == 0 && size > 0);
  Ops().rms_norm(x, weight, epsilon, size, out);
}

void GatedActivation(GateKind kind, const float* gate, const float* up, uint32_t size, float* out) {
  QUIRE_CHECK(size % kLanes == 0);
  const OpsTable& ops = Ops();
  (kind == GateKind::kSilu ? ops.silu_gate : ops.gelu_gate)(gate, up, size, out);
}

void Scale(float* x, float factor, uint32_t size) {
  QUIRE_CHECK(size % kLanes == 0);
  Ops().scale(x, factor, size);
}

void Add(const float* x, uint32_t size, float* inout) {
  QUIRE_CHECK(size % kLanes == 0);
  Ops().add(x, size, inout);
}

void ApplyRope(RopeKind kind, const RopeTable& table, uint32_t heads, uint32_t head_dim, float* x) {
  QUIRE_CHECK(table.rope_dims % 2 == 0 && table.rope_dims <= head_dim);
  const RopeJob job = {table.cos_sin, table.rope_dims, heads, head_dim};
  const OpsTable& ops = Ops();
  (kind == RopeKind::kAdjacent ? ops.rope_adjacent : ops.rope_halves)(job, x);
}

float Exp(float x) { return Ops().exp(x); }

float Log(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  constexpr uint32_t kSmallestNormal = 0x00800000;
  if ((bits & 0x7fffffff) < kSmallestNormal) return -kInfinity;
  if (!(x > 0.0f)) return std::numeric_limits<float>::quiet_NaN();
  if (x == kInfinity) return x;
  // x = 2^n * m with m in [sqrt(1/2), sqrt(2)).
  constexpr uint32_t kRootHalf = 0x3f3504f3;
  const uint32_t shifted = bits - kRootHalf;
  const auto n = static_cast<float>(static_cast<int32_t>(shifted) >> 23);
  const float f = std::bit_cast<float>((shifted & 0x007fffff) + kRootHalf) - 1.0f;
  return n * kLn2High + (f + (LogRest(f) + n * kLn2Low));
}

SoftmaxStats SoftmaxOf(std::span<const float> x) {
  QUIRE_CHECK(!x.empty());
  const OpsTable& ops = Ops();
  const float max = ops.max(x.data(), x.size());
  if (max == -kInfinity) return {max, 0.0f};  // every choice was ruled out
  return {max, static_cast<float>(ops.sum_exp(x.data(), max, x.size()))};
}

void WeighRow(std::span<const float> x, const RowWeighing& weighing, float* out) {
  Ops().weigh_row({x.data(), x.size(), weighing.max, weighing.temperature, weighing.floor}, out);
}

void StoreKvHeads(const KvView& kv, const KvSlot& slot, const float* k, const float* v) {
  const KvShape& shape = kv.shape;
  QUIRE_CHECK(slot.layer < shape.layers && slot.block < kv.num_blocks &&
              slot.token_in_block < kBlockTokens &&
              slot.first_head + slot.heads <= shape.kv_heads && shape.head_dim % kLanes == 0 &&
              shape.head_dim <= kMaxHeadDim);
  std::byte* const keys = kv.keys(slot.layer, slot.block, slot.first_head);
  std::byte* const values = kv.values(slot.layer, slot.block, slot.first_head);
  Ops().store_kv({.keys = reinterpret_cast<char*>(keys),
                  .values = reinterpret_cast<char*>(values),
                  .key_head_bytes = shape.key_head_bytes(),
                  .value_head_bytes = shape.value_head_bytes(),
                  .key_kind = shape.key_kind(),
                  .value_kind = shape.value_kind(),
                  .kv_heads = slot.heads,
                  .head_dim = shape.head_dim,
                  .token = slot.token_in_block},
                 k, v);
}

void StoreKv(const KvView& kv, uint32_t layer, uint32_t block, uint32_t token_in_block,
             const float* k, const float* v) {
  StoreKvHeads(kv, {layer, block, token_in_block, 0, kv.shape.kv_heads}, k, v);
}

}  // namespace quire
