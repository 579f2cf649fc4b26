// engine/disk/kv_copy.h -- between the arena, [layer][block], and a record, [block][layer].
//
// Threads  the engine's, between steps: nobody else reads or writes these blocks.
#pragma once

#include <cstddef>
#include <cstring>

#include "cache/ids.h"
#include "kernels/kv_view.h"

namespace quire {

inline void CopyFromArena(const KvView& view, BlockId block, std::byte* out) {
  const size_t bytes = view.shape.block_layer_bytes();
  for (uint32_t layer = 0; layer < view.shape.layers; ++layer) {
    std::memcpy(out + layer * bytes, view.keys(layer, Index(block), 0), bytes);
  }
}

inline void CopyToArena(const std::byte* in, const KvView& view, BlockId block) {
  const size_t bytes = view.shape.block_layer_bytes();
  for (uint32_t layer = 0; layer < view.shape.layers; ++layer) {
    std::memcpy(view.keys(layer, Index(block), 0), in + layer * bytes, bytes);
  }
}

}  // namespace quire
