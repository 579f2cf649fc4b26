#include "model/forward_memory.h"

#include <algorithm>

#include "kernels/attention.h"
#include "kernels/attention_table.h"
#include "model/forward_buffers.h"
#include "model/team_plan.h"

namespace quire {
namespace {

constexpr uint64_t kHugePage = uint64_t{2} << 20;
constexpr uint64_t kRecordBytes = 52;  // of a token's block of kQuantBlock values, quantised

// Of memory that lies on huge pages.
uint64_t Pages(uint64_t bytes) { return (bytes + kHugePage - 1) / kHugePage * kHugePage; }

uint64_t ActivationBytes(uint64_t values, bool float_weights) {
  return values / kQuantBlock * kRecordBytes + (float_weights ? values * sizeof(float) : 0);
}

// WorkerSpace.
uint64_t WorkerBytes(const ModelConfig& config, uint64_t rows, bool float_weights) {
  const uint64_t chunk = std::max<uint64_t>(rows * kFfnChunk, config.ffn_width);
  const uint64_t floats = 3 * rows * config.width + 2 * chunk + 2 * rows * config.kv_width();
  const uint64_t values = rows * (config.width + config.query_width() + config.ffn_width);
  return Pages(floats * sizeof(float)) + ActivationBytes(values, float_weights);
}

// AttentionScratch::Storage; a worker keeps records of the tiles of one unit at a time.
uint64_t AttentionBytes(const ModelConfig& config, const ForwardLimits& limits) {
  const uint64_t record = RecordFloats(config.head_dim);
  const uint64_t queries = uint64_t{kMaxUnitQueries} * config.head_dim;
  const uint64_t fixed = queries + queries / 2 + uint64_t{kMaxTileQueries} * kTileTokens +
                         (kMaxTileQueries + kMaxUnitQueries) * record;
  const uint64_t tiles = limits.max_context / kTileTokens + 1;
  const uint64_t kept =
      std::min<uint64_t>(kMaxUnitQueries, uint64_t{limits.max_tokens} * config.query_heads);
  return (fixed + tiles * kept * record) * sizeof(float);
}

}  // namespace

ForwardMemory ForwardMemoryOf(const ModelConfig& config, const ForwardLimits& limits,
                              uint32_t workers, bool float_weights) {
  const uint64_t set_rows =
      std::min(std::max(limits.max_tokens, limits.max_logit_rows), kMaxSetTokens);
  const uint64_t shared = uint64_t{limits.max_tokens} *
                          (config.width + 2 * uint64_t{config.query_width()} + config.rope.dims +
                           config.local_rope.dims) *
                          sizeof(float);
  const uint64_t logits = uint64_t{limits.max_logit_rows} * config.vocab_size * sizeof(float);
  ForwardMemory memory;
  memory.rows_bytes = shared + workers * WorkerBytes(config, set_rows, float_weights);
  memory.logits_bytes = Pages(shared + logits) - shared;  // they end the same allocation
  memory.attention_bytes = workers * AttentionBytes(config, limits);
  return memory;
}

}  // namespace quire
