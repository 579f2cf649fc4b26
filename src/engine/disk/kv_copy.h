// engine/disk/kv_copy.h -- between the arena and a record, in which blocks are the same bytes.
//
// Threads  the engine's, between steps: nobody else reads or writes these blocks.
#pragma once

#include <cstddef>
#include <cstring>

#include "cache/ids.h"
#include "kernels/kv_view.h"

namespace quire {

inline void CopyFromArena(const KvView& view, BlockId block, std::byte* out) {
  std::memcpy(out, view.block(Index(block)), view.shape.block_bytes());
}

inline void CopyToArena(const std::byte* in, const KvView& view, BlockId block) {
  std::memcpy(view.block(Index(block)), in, view.shape.block_bytes());
}

}  // namespace quire
