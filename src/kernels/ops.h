// kernels/ops.h -- the element-wise steps between matrix products, in fixed order of operations.
//
// Every reduction uses 16 virtual lanes (lane = index mod 16) and one fixed tree; exp, sin, cos and
// tanh are our own polynomials; nothing is approximated by hardware (no rsqrt, no rcp). So results
// are equal bit by bit on all instruction sets and for any split over threads.
//
// Threads  pure functions; workers call them on disjoint rows. Sizes are in floats, multiples of 16
//          unless said otherwise. Pointers may be unaligned.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kv_view.h"

namespace quire {

// out = x / sqrt(mean(x^2) + epsilon) * weight.   `out` may be `x`.
void RmsNorm(const float* x, const float* weight, float epsilon, uint32_t size, float* out);

// Gated activations: out[i] = act(gate[i]) * up[i].  SiLU: v * sigmoid(v). GELU: the tanh form.
enum class GateKind : uint8_t { kSilu, kGeluTanh };
void GatedActivation(GateKind kind, const float* gate, const float* up, uint32_t size, float* out);

void Scale(float* x, float factor, uint32_t size);
void Add(const float* x, uint32_t size, float* inout);  // inout += x

// Rotary embedding of one position for all heads at once. The table of a position holds
// rope_dims/2 (cos, sin) pairs: [cos.. | sin..].
enum class RopeKind : uint8_t {
  kAdjacent,  // rotates (x[2i], x[2i+1]): llama files, whose weights are permuted for it
  kHalves,    // rotates (x[i], x[i + dims/2]): qwen, gemma
};
struct RopeTable {
  const float* cos_sin;  // [2][rope_dims / 2]
  uint32_t rope_dims;    // <= head_dim; the rest of a head is left alone
};
void ApplyRope(RopeKind kind, const RopeTable& table, uint32_t heads, uint32_t head_dim, float* x);

// Beyond this a multiple of pi/2 would have more bits than the reduction of angles cancels exactly.
inline constexpr double kMaxRopeAngle = 0x1p30;

// Fills the table of `position`: angle(i) = position * inverse_frequency[i], in double, reduced
// exactly, then our own sin/cos; both are multiplied by `magnitude` (yarn; else 1).
void FillRopeTable(uint32_t position, std::span<const double> inverse_frequency, float magnitude,
                   float* cos_sin);

// exp and natural log of the kernels, for the sampler and for log-probabilities: same bits
// everywhere.
float Exp(float x);
float Log(float x);
// out[i] = exp((x[i] - max) / temperature), by the same Exp; 0 where x[i] < floor or is NaN. Any
// size.
struct RowWeighing {
  float max;
  float temperature;
  float floor;
};
void WeighRow(std::span<const float> x, const RowWeighing& weighing, float* out);
// max(x) and sum(exp(x - max)): softmax's two numbers over a row of any size (tails allowed).
struct SoftmaxStats {
  float max;
  float sum;
};
SoftmaxStats SoftmaxOf(std::span<const float> x);

// Writes keys (after rope) and values of one token into its place of its block, rounding to the
// view's format. k, v: [heads][head_dim], of `heads` KV heads from `first_head` on: heads are
// independent, so several workers may store a token.
struct KvSlot {
  uint32_t layer;
  uint32_t block;
  uint32_t token_in_block;
  uint32_t first_head;
  uint32_t heads;
};
void StoreKvHeads(const KvView& kv, const KvSlot& slot, const float* k, const float* v);

// The same for all KV heads.
void StoreKv(const KvView& kv, uint32_t layer, uint32_t block, uint32_t token_in_block,
             const float* k, const float* v);

}  // namespace quire
