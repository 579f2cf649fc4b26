#include "engine/arena_touch.h"

#include <algorithm>
#include <utility>

namespace quire {

ArenaTouch::ArenaTouch(const KvArena& arena, uint64_t blocks, std::function<uint64_t()> available)
    : arena_(arena),
      available_(std::move(available)),
      wanted_bytes_(std::min(blocks * arena.view().shape.block_bytes(), arena.bytes())) {}

void ArenaTouch::Some() {
  const bool is_scarce = available_() / 2 < wanted_bytes_ - done_bytes_;
  done_bytes_ = is_scarce ? wanted_bytes_ : arena_.Touch(done_bytes_, wanted_bytes_);
}

}  // namespace quire
