#include "model/single_sequence.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace quire {
namespace {

uint32_t BlocksFor(uint32_t tokens) { return (tokens + kBlockTokens - 1) / kBlockTokens; }

HugeBuffer AllocateArena(const KvShape& shape, uint32_t num_blocks) {
  Result<HugeBuffer> arena = HugeBuffer::Allocate(shape.block_bytes() * num_blocks);
  QUIRE_CHECK(arena.has_value(), "no memory for the KV of one sequence");
  return std::move(*arena);
}

}  // namespace

SingleSequence::SingleSequence(const Model& model, WorkerPool& pool, const Options& options)
    : arena_(AllocateArena(model.kv_shape(options.format), BlocksFor(options.limits.max_context))),
      kv_{.base = arena_.data(),
          .shape = model.kv_shape(options.format),
          .num_blocks = BlocksFor(options.limits.max_context)},
      table_(kv_.num_blocks),
      max_tokens_(options.limits.max_tokens),
      forward_(model, kv_, options.limits, pool) {
  std::iota(table_.begin(), table_.end(), 0);
}

std::span<const float> SingleSequence::Append(std::span<const TokenId> tokens,
                                              uint32_t num_logit_rows) {
  std::span<const float> logits;
  while (!tokens.empty()) {
    const uint32_t count = static_cast<uint32_t>(std::min<size_t>(tokens.size(), max_tokens_));
    const bool last = count == tokens.size();
    const BatchItem item{.tokens = tokens.first(count),
                         .first_position = length_,
                         .table = table_,
                         .num_logit_rows = last ? num_logit_rows : 0};
    logits = forward_.Run({&item, 1});
    length_ += count;
    tokens = tokens.subspan(count);
  }
  return logits;
}

void SingleSequence::Truncate(uint32_t length) {
  QUIRE_CHECK(length <= length_);
  length_ = length;
}

}  // namespace quire
