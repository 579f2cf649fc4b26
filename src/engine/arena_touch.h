// engine/arena_touch.h -- takes memory for KV from the system before anybody waits for it.
//
// What a server left on disk is asked for again soon. A system clears the pages that it gives, and
// a virtual machine must first get them from its host: where a prompt is read back, that may be
// most of its time.
//
// Threads  one. Bounds  ends where half of what is available is less than what is left.
#pragma once

#include <cstdint>
#include <functional>

#include "base/machine.h"
#include "tier/kv_arena.h"

namespace quire {

class ArenaTouch {
 public:
  // `arena` outlives it. As much as so many blocks take. `available` says what the machine has
  // left.
  ArenaTouch(const KvArena& arena, uint64_t blocks,
             std::function<uint64_t()> available = AvailableMemory);

  bool is_over() const { return done_bytes_ == wanted_bytes_; }
  void Some();  // a few milliseconds' worth

 private:
  const KvArena& arena_;
  const std::function<uint64_t()> available_;
  uint64_t wanted_bytes_;
  uint64_t done_bytes_ = 0;
};

}  // namespace quire
