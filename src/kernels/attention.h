// kernels/attention.h -- softmax(q k^T * scale) v over paged KV, bit-identical however it is split.
//
// KV tiles hold 256 tokens at absolute positions (position / kTileTokens). Each (row, head, tile)
// gives one partial (max, sum, acc[head_dim]); partials are folded in ascending tile order. How
// many rows, sequences, heads or workers share a pass over a tile does not enter the arithmetic, so
// a prefill row, a decode row and a row in any batch give the same bits.
//
//   score(t)  f16, f32, k16v8: one FMA chain over d ascending from 0, then * scale
//             q8: q is rotated and quantised to 16 bits (kernels/head_quant.h); the exact sum of
//             products of integers, as a float, * scale of the key * (scale of q * scale /
//             rotation) masked tokens take no part
//   tile      m = max; p = exp(s - m); l = sum of p over 16 token lanes, fixed tree;
//             acc = sum over t ascending of p * v, one FMA each from 0; values in eight bits:
//             of (p * scale of the value) * byte
//   fold      from (-inf, 0, 0): m' = max; a = exp(m_old - m'), b = exp(m - m');
//             acc = fma(acc_old, a, acc * b), l likewise; last, acc * (1 / l) + 0
//
// A tile takes part in a row's fold if it holds a position that the row attends to: the row's own
// position and the window decide that, nothing else. Bytes of slots that no row of the call attends
// to (not written yet, or blocks out of every window, whose ids in the table may be stale) have no
// influence, whatever they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/worker_pool.h"
#include "kernels/attention_plan.h"
#include "kernels/kv_view.h"

namespace quire {

struct AttentionShape {
  uint32_t layer;
  uint32_t query_heads;  // kv.shape.kv_heads times the plan's group
  float scale;           // usually 1 / sqrt(head_dim)
};

// Scratch for partials, sized once for the largest batch.
class AttentionScratch {
 public:
  // `max_rows` rows of `query_heads` heads per pass; `max_positions` bounds the context.
  AttentionScratch(uint32_t max_rows, uint32_t query_heads, uint32_t head_dim,
                   uint32_t max_positions, uint32_t workers);
  ~AttentionScratch();
  AttentionScratch(const AttentionScratch&) = delete;
  AttentionScratch& operator=(const AttentionScratch&) = delete;

  struct Storage;
  Storage* storage;
};

// Called by every worker of a Run(), all with the same arguments. There is no barrier inside: `out`
// is complete after the caller's next barrier, which must come before the next call with the same
// scratch. q and out: [row][query_heads][head_dim].
void Attention(const Worker& worker, const KvView& kv, const AttentionShape& shape,
               const AttentionPlan& plan, const float* q, float* out, AttentionScratch& scratch);

}  // namespace quire
