// engine/transfer/kv_parcel.h -- blocks of KV on their way to another server, or into a file.
//
// A parcel is one record as the disk tier writes them (docs/formats.md, "Record"), always sealed,
// under a key that takes two secrets: the tenant's, so that nobody makes or reads KV of a tenant
// whose master key he does not have, and that of the way it goes (what two servers share).
//
// Threads  pure functions. Errors  what is not exactly the blocks that were wanted is not taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/transfer/kv_chain.h"
#include "tier/ssd/record_format.h"

namespace quire {

// Blocks of one parcel: a few megabytes.
uint32_t ParcelBlocks(const BlockShape& shape);

// The bytes of a record for `count` blocks, and where in it those go: [block][layer][layer_bytes].
struct ParcelDraft {
  std::string bytes;
  uint64_t blocks_at = 0;
};
ParcelDraft BeginParcel(const BlockShape& shape, uint32_t count);

// Seals the first `count` of the blocks that were written into `draft`: those from `first` of the
// chain on. `aes`: whoever reads it has instructions for AES.
std::string SealParcel(const KvChain& chain, const BlockShape& shape, ParcelDraft draft,
                       uint32_t first, uint32_t count, std::string_view way, bool aes);

// Of the parcel that `bytes` begin with; 0: none.
uint32_t BlocksInParcel(std::span<const std::byte> bytes);

enum class ParcelFlaw : uint8_t { kNone, kBroken, kOtherShape, kOtherOwner, kOtherText };

// What is in a parcel that stands at the beginning of `bytes`; opened in place.
struct OpenedParcel {
  ParcelFlaw flaw = ParcelFlaw::kNone;
  uint64_t bytes = 0;    // of the parcel; 0: none begins here
  uint32_t offered = 0;  // blocks
  uint32_t first = 0;    // of the chain
  uint32_t count = 0;    // proven, from `first` on
  std::span<const std::byte> blocks;
};
OpenedParcel OpenParcel(const KvChain& chain, const BlockShape& shape, std::string_view way,
                        std::span<std::byte> bytes);

}  // namespace quire
