// model/batch_plan.h -- the rows of one forward pass: what each token is and where its KV goes.
//
// Items are laid out one after another; a row is a token's index in the batch.
//
// Threads  filled by the caller of ForwardPass::Run, read by all workers.
// Memory   sized once from the limits; Fill allocates nothing.
// Errors   a batch that breaks the limits or the vocabulary is a bug: it aborts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "model/forward.h"

namespace quire {

struct BatchRow {
  TokenId token;
  uint32_t position;
  uint32_t block;  // that takes the token's keys and values
};

class BatchPlan {
 public:
  BatchPlan(const ForwardLimits& limits, uint32_t vocab_size, uint32_t num_blocks);

  void Fill(std::span<const BatchItem> items);

  std::span<const BatchRow> rows() const { return rows_; }
  std::span<const uint32_t> logit_rows() const { return logit_rows_; }  // ascending
  std::span<const AttentionRows> attention() const { return attention_; }
  // Of the rows in logit_rows() only.
  std::span<const AttentionRows> logit_attention() const { return logit_attention_; }
  uint32_t num_rows() const { return static_cast<uint32_t>(rows_.size()); }
  uint32_t num_logits() const { return static_cast<uint32_t>(logit_rows_.size()); }

 private:
  void Append(const BatchItem& item);

  const ForwardLimits limits_;
  const uint32_t vocab_size_;
  const uint32_t num_blocks_;
  std::vector<BatchRow> rows_;
  std::vector<uint32_t> logit_rows_;
  std::vector<AttentionRows> attention_;
  std::vector<AttentionRows> logit_attention_;
};

}  // namespace quire
