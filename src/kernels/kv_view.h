// kernels/kv_view.h -- how the KV cache lies in memory, for those who read and write its bytes.
//
// The arena is laid out [block][layer][keys | values]: all layers of a block are one piece, and
// consecutive block ids are consecutive bytes. On huge pages (tier/kv_arena.h) a new block touches
// one of them, seldom two, where [layer][block] would touch one for each layer. Inside a block of
// one layer, for T = kBlockTokens and every KV head:
//
//            keys                                        values
//   f16,f32  [head_dim][T]                               [T][head_dim]
//   k16v8    [head_dim][T] of f16                        [T][head_dim] of int8, [T] f32 scales
//   q8       [head_dim / 4][T][4] bytes, [T] f32 scales  [T][head_dim] of int8, [T] f32 scales
//
// Keys are token-in-lane: one vector holds one dimension (or four bytes) of 16 tokens, so one
// instruction scores 16 tokens. Values are rows: one FMA adds 16 dimensions of one token. Eight bit
// values are symmetric (-127..127) with one scale per token and KV head; keys of q8 are rotated
// first (kernels/head_quant.h). Nothing depends on later tokens.
//
// A view is two words of plain data: it owns nothing and checks nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/token_id.h"
#include "kernels/kv_kind.h"

namespace quire {

enum class KvFormat : uint8_t {
  kF16,    // IEEE half, round to nearest even, saturated to the largest finite value
  kF32,    // for the float32 mode of the forward pass: proves formulas, not meant for serving
  kQ8,     // int8 keys and values: half of the memory
  kK16V8,  // f16 keys, int8 values: for models whose keys are too large for eight bits
};

constexpr std::string_view KvFormatName(KvFormat format) {
  constexpr std::string_view kNames[] = {"f16", "f32", "q8", "k16v8"};
  return kNames[static_cast<uint8_t>(format)];
}

struct KvShape {
  uint32_t layers = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;  // a multiple of 16
  KvFormat format = KvFormat::kF16;

  constexpr KvKind key_kind() const {
    return format == KvFormat::kK16V8 ? KvKind::kHalf : value_kind();
  }
  constexpr KvKind value_kind() const {
    return format == KvFormat::kF16   ? KvKind::kHalf
           : format == KvFormat::kF32 ? KvKind::kFloat
                                      : KvKind::kInt8;
  }
  // Bytes of one head's keys (or values) of one block of one layer: a multiple of 64.
  constexpr size_t key_head_bytes() const { return HeadBytes(key_kind()); }
  constexpr size_t value_head_bytes() const { return HeadBytes(value_kind()); }
  // Bytes of one block of one layer, keys and values.
  constexpr size_t block_layer_bytes() const {
    return kv_heads * (key_head_bytes() + value_head_bytes());
  }
  // Bytes of one block over all layers: what one block of the pool costs.
  constexpr size_t block_bytes() const { return layers * block_layer_bytes(); }

 private:
  constexpr size_t HeadBytes(KvKind kind) const {
    const size_t values = size_t{head_dim} * kBlockTokens;
    if (kind == KvKind::kInt8) return values + kBlockTokens * sizeof(float);
    return values * (kind == KvKind::kHalf ? 2 : 4);
  }
};

struct KvView {
  std::byte* base = nullptr;  // 64-byte aligned; num_blocks * shape.block_bytes()
  KvShape shape;
  uint32_t num_blocks = 0;

  // All of it: [layer][keys | values].
  std::byte* block(uint32_t block) const { return BlockAt(0, block); }
  std::byte* keys(uint32_t layer, uint32_t block, uint32_t kv_head) const {
    return BlockAt(layer, block) + kv_head * shape.key_head_bytes();
  }
  std::byte* values(uint32_t layer, uint32_t block, uint32_t kv_head) const {
    return BlockAt(layer, block) + shape.kv_heads * shape.key_head_bytes() +
           kv_head * shape.value_head_bytes();
  }

 private:
  std::byte* BlockAt(uint32_t layer, uint32_t block) const {
    return base + (size_t{block} * shape.layers + layer) * shape.block_layer_bytes();
  }
};

}  // namespace quire
