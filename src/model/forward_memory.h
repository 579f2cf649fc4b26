// model/forward_memory.h -- what the buffers of a forward pass come to take, without making them.
//
// Counted is what passes touch once the largest batch has run: of memory that is reserved and never
// written to, the system gives nothing. Pages of 2 MiB are counted whole where they are used.
//
// Threads  none. Errors  none.
#pragma once

#include <cstdint>

#include "model/config.h"
#include "model/forward.h"

namespace quire {

struct ForwardMemory {
  uint64_t rows_bytes = 0;       // residual, queries, activations: of all workers
  uint64_t logits_bytes = 0;     // of every row that wants them
  uint64_t attention_bytes = 0;  // of all workers
  uint64_t sum() const { return rows_bytes + logits_bytes + attention_bytes; }
};

// `float_weights`: some matrix is of a float type, so that activations are kept as floats too.
ForwardMemory ForwardMemoryOf(const ModelConfig& config, const ForwardLimits& limits,
                              uint32_t workers, bool float_weights);

}  // namespace quire
