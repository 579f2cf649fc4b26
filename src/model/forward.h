// model/forward.h -- one pass of the model over a batch of tokens of several sequences.
//
// A batch mixes prefill chunks and decodes; to the arithmetic they are all rows. The pass writes
// the rows' keys and values into the KV arena and returns the logits of the rows that asked for
// them. A row's logits depend only on the tokens of its own sequence up to it: not on its
// neighbours, on how the prefill was cut, or on the number of workers (law 2).
//
// Threads  one call at a time; the workers of `pool` run it together.
// Memory   all buffers are sized at construction; Run allocates nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/token_id.h"
#include "base/worker_pool.h"
#include "kernels/kv_view.h"
#include "model/model.h"
#include "model/pass_times.h"

namespace quire {

// Consecutive tokens of one sequence. `table` must cover first_position + tokens.size() tokens, and
// the KV of positions before first_position must be there already.
struct BatchItem {
  std::span<const TokenId> tokens;
  uint32_t first_position = 0;
  std::span<const uint32_t> table;  // block ids in order
  uint32_t num_logit_rows = 0;      // logits are computed for the last this-many tokens
};

struct ForwardLimits {
  uint32_t max_tokens = 512;     // rows of one pass
  uint32_t max_logit_rows = 64;  // rows of logits of one pass
  uint32_t max_context = 8192;   // positions
};

class ForwardPass {
 public:
  ForwardPass(const Model& model, const KvView& kv, const ForwardLimits& limits, WorkerPool& pool);
  ~ForwardPass();
  ForwardPass(const ForwardPass&) = delete;
  ForwardPass& operator=(const ForwardPass&) = delete;

  // Runs the batch; returns logits [sum of num_logit_rows][vocab_size], item after item, valid
  // until the next call. Token ids must be in the vocabulary, sums within the limits (checked: a
  // bug).
  std::span<const float> Run(std::span<const BatchItem> items);

  // The same, but leaves early, with nullopt, when `stop` says so: it is asked once a layer, on the
  // calling thread, before anything of that layer's KV is read. The KV of the batch's own tokens is
  // then undefined until they are run again, which gives the same bits as if nothing had happened.
  using Stop = std::function<bool(uint32_t layer)>;
  std::optional<std::span<const float>> RunUnless(const Stop& stop,
                                                  std::span<const BatchItem> items);

  // Collects times from now on, beginning at zero; or no longer.
  void MeasureTimes(bool on);
  const PassTimes& times() const;  // of the passes since MeasureTimes(true)

  uint64_t buffer_bytes() const;  // about what this pass may come to use

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quire
