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

#include "kernels/attention_plan.h"
#include "model/config.h"
#include "model/forward.h"

namespace quire {

struct BatchRow {
  TokenId token;
  uint32_t position;
  uint32_t block;  // that takes the token's keys and values
};

class BatchPlan {
 public:
  // `config` must outlive the plan.
  BatchPlan(const ForwardLimits& limits, const ModelConfig& config, uint32_t num_blocks);

  void Fill(std::span<const BatchItem> items);

  std::span<const BatchRow> rows() const { return rows_; }
  std::span<const uint32_t> logit_rows() const { return logit_rows_; }  // ascending
  // How the rows that `layer` attends for are shared out: in the last layer only logit_rows().
  const AttentionPlan& attention(uint32_t layer) const;
  uint32_t num_rows() const { return static_cast<uint32_t>(rows_.size()); }
  uint32_t num_logits() const { return static_cast<uint32_t>(logit_rows_.size()); }

 private:
  void Append(const BatchItem& item);

  const ForwardLimits limits_;
  const ModelConfig& config_;
  const uint32_t num_blocks_;
  std::vector<BatchRow> rows_;
  std::vector<uint32_t> logit_rows_;
  std::vector<AttentionRows> all_;     // items
  std::vector<AttentionRows> logits_;  // of those with rows of logits, only these
  AttentionPlan global_;               // of all_, for layers without a window
  AttentionPlan local_;                // of all_, for layers with the window
  AttentionPlan last_;                 // of logits_, for the last layer
};

}  // namespace quire
