// kernels/kv_view.h -- how the KV cache lies in memory, for those who read and write its bytes.
//
// The arena is laid out [layer][block][keys | values], so that consecutive block ids are
// consecutive bytes. Inside a block of one layer:
//
//   keys    [kv_head][head_dim][kBlockTokens]   token-in-lane: one vector holds one dimension of 16
//                                               tokens, so one FMA scores 16 tokens
//   values  [kv_head][kBlockTokens][head_dim]   one FMA adds 16 dimensions of one token
//
// A view is two words of plain data: it owns nothing and checks nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/token_id.h"

namespace quire {

enum class KvFormat : uint8_t {
  kF16,  // IEEE half, round to nearest even, saturated to the largest finite value
  kF32,  // for the float32 mode of the forward pass: proves formulas, not meant for serving
};

struct KvShape {
  uint32_t layers = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;  // a multiple of 16
  KvFormat format = KvFormat::kF16;

  constexpr size_t value_bytes() const { return format == KvFormat::kF16 ? 2 : 4; }
  // Bytes of one head's keys (or values) of one block of one layer.
  constexpr size_t head_bytes() const { return size_t{head_dim} * kBlockTokens * value_bytes(); }
  // Bytes of one block of one layer, keys and values.
  constexpr size_t block_layer_bytes() const { return 2 * kv_heads * head_bytes(); }
  // Bytes of one block over all layers: what one block of the pool costs.
  constexpr size_t block_bytes() const { return layers * block_layer_bytes(); }
};

struct KvView {
  std::byte* base = nullptr;  // 64-byte aligned; shape.layers * num_blocks * block_layer_bytes()
  KvShape shape;
  uint32_t num_blocks = 0;

  std::byte* keys(uint32_t layer, uint32_t block, uint32_t kv_head) const {
    return base + (size_t{layer} * num_blocks + block) * shape.block_layer_bytes() +
           kv_head * shape.head_bytes();
  }
  std::byte* values(uint32_t layer, uint32_t block, uint32_t kv_head) const {
    return keys(layer, block, kv_head) + shape.kv_heads * shape.head_bytes();
  }
};

}  // namespace quire
