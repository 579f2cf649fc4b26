// engine/disk/kv_copy.h -- between the arena and a record, in which blocks are the same bytes.
//
// Threads  the engine's, between steps: nobody else reads or writes these blocks.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>

#include "cache/ids.h"
#include "kernels/kv_view.h"

namespace quire {

inline void CopyFromArena(const KvView& view, BlockId block, std::byte* out) {
  std::memcpy(out, view.block(Index(block)), view.shape.block_bytes());
}

// Layers from `first_layer` on.
inline void CopyToArena(std::span<const std::byte> layers, uint32_t first_layer, const KvView& view,
                        BlockId block) {
  const size_t at = first_layer * view.shape.block_layer_bytes();
  std::memcpy(view.block(Index(block)) + at, layers.data(), layers.size());
}

}  // namespace quire
