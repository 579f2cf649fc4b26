// cache/block_name.h -- what a full block of KV is called: a hash over all that decides its bytes.
//
//   name(i) = H(name(i-1), tokens of block i),   name(-1) = root of the scope
//
// H is BLAKE2b-256 keyed with the root, so names of one scope mean nothing in another and nobody
// outside can compute them. Token ids enter as little-endian int32, after the parent's 32 bytes.
//
// Threads  pure functions.
// Cost     two BLAKE2b compressions (the key is one) per block of 16 tokens: about 0.4 us.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/token_id.h"

namespace quire {

struct BlockName {
  std::array<std::byte, 32> bytes{};
  bool operator==(const BlockName&) const = default;
};

// The name of the block that holds `tokens` and follows the block called `parent`; for a block 0,
// `parent` is `root` itself.
BlockName NextBlockName(const BlockName& root, const BlockName& parent,
                        std::span<const TokenId> tokens);

// The first `bits` bits (a multiple of 8), the rest zero. Tests shorten names to force collisions.
BlockName TruncateName(const BlockName& name, uint32_t bits);

// Names are uniform already: any eight of their bytes are a hash.
uint64_t HashOf(const BlockName& name);

}  // namespace quire
