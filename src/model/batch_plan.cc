#include "model/batch_plan.h"

#include "base/check.h"

namespace quire {

BatchPlan::BatchPlan(const ForwardLimits& limits, const ModelConfig& config, uint32_t num_blocks)
    : limits_(limits),
      config_(config),
      num_blocks_(num_blocks),
      global_(limits.max_tokens, config.query_heads / config.kv_heads),
      local_(limits.max_tokens, config.query_heads / config.kv_heads),
      last_(limits.max_logit_rows, config.query_heads / config.kv_heads) {
  rows_.reserve(limits.max_tokens);
  logit_rows_.reserve(limits.max_logit_rows);
  all_.reserve(limits.max_tokens);  // an item has a token at least
  logits_.reserve(limits.max_logit_rows);
}

void BatchPlan::Fill(std::span<const BatchItem> items) {
  rows_.clear();
  logit_rows_.clear();
  all_.clear();
  logits_.clear();
  for (const BatchItem& item : items) Append(item);
  global_.Fill(all_, 0);
  if (config_.window > 0) local_.Fill(all_, config_.window);
  last_.Fill(logits_, config_.window_of(config_.layers - 1));
}

const AttentionPlan& BatchPlan::attention(uint32_t layer) const {
  if (layer + 1 == config_.layers) return last_;
  return config_.windowed[layer] ? local_ : global_;
}

void BatchPlan::Append(const BatchItem& item) {
  const uint32_t count = static_cast<uint32_t>(item.tokens.size());
  const uint32_t first_row = num_rows();
  QUIRE_CHECK(count > 0, "an item without tokens");
  QUIRE_CHECK(item.tokens.size() <= limits_.max_tokens - first_row, "more rows than max_tokens");
  QUIRE_CHECK(uint64_t{item.first_position} + count <= limits_.max_context, "beyond max_context");
  QUIRE_CHECK(item.table.size() * kBlockTokens >= uint64_t{item.first_position} + count,
              "the table does not cover the tokens");
  QUIRE_CHECK(item.num_logit_rows <= count, "more rows of logits than tokens");
  QUIRE_CHECK(item.num_logit_rows <= limits_.max_logit_rows - num_logits(),
              "more rows of logits than max_logit_rows");
  for (uint32_t i = 0; i < count; ++i) {
    const TokenId token = item.tokens[i];
    const uint32_t position = item.first_position + i;
    const uint32_t block = item.table[position / kBlockTokens];
    QUIRE_CHECK(token >= 0 && static_cast<uint32_t>(token) < config_.vocab_size, "no such token");
    QUIRE_CHECK(block < num_blocks_, "no such block");
    rows_.push_back({token, position, block});
  }
  all_.push_back({first_row, count, item.first_position, item.table});
  if (item.num_logit_rows == 0) return;
  const uint32_t skipped = count - item.num_logit_rows;
  for (uint32_t i = skipped; i < count; ++i) logit_rows_.push_back(first_row + i);
  logits_.push_back(
      {first_row + skipped, item.num_logit_rows, item.first_position + skipped, item.table});
}

}  // namespace quire
