// engine/warm_up.h -- touches pages and kernels, or the first request would pay for that.
//
//   due --a pass while nothing is to be done; a step; blocks that came from elsewhere--> over
//
// The pass is one prefill and one decode, in blocks that nobody owns: where any are in use there is
// none. If it is left for work, it is still due, and begins anew. Where there is no memory for it,
// it is over, and std::bad_alloc leaves Try: the next try would end as soon.
//
// Threads  the engine's, but for is_over().
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "model/forward.h"

namespace quire {

class WarmUp {
 public:
  // `most_tokens`: that a step and the KV memory have room for, 2 at least.
  explicit WarmUp(uint64_t most_tokens);

  // Runs a batch; false: it was left.
  using Run = std::function<bool(std::span<const BatchItem>)>;
  // Where nothing is to be done.
  void Try(bool blocks_in_use, const Run& run);
  void NoteStep() { over_ = true; }
  bool is_over() const { return over_; }

 private:
  const uint32_t rows_;  // of the prefill
  std::atomic<bool> over_ = false;
};

}  // namespace quire
