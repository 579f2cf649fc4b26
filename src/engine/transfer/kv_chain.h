// engine/transfer/kv_chain.h -- the full blocks of one text, as two servers speak of them.
//
// Immutable once made (KvCourier::Chain); `names` is the engine thread's alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/token_id.h"
#include "cache/block_names.h"
#include "cache/ids.h"
#include "tier/ssd/block_owner.h"

namespace quire {

// Whose KV means anything to whom: equal, if blocks of equal tokens have equal names.
struct KvIdentity {
  std::string model;  // digest
  std::string format;
  uint32_t numerics = 0;
  std::string scope;  // 16 bytes: tells scopes apart and does not give their root away
  bool operator==(const KvIdentity&) const = default;
};

struct KvChain {
  KvIdentity identity;
  std::string tenant;
  OwnerId owner = kFirstOwner;
  BlockOwnerPtr seal;
  ShortTag root_tag{};
  uint32_t public_blocks = 0;          // at the start: everybody's, and never on their way
  std::vector<TokenId> tokens;         // of the blocks, and one more
  BlockNames names;                    // of all of them
  std::vector<BlockName> block_names;  // the same, for every thread

  uint32_t num_blocks() const { return static_cast<uint32_t>(block_names.size()); }
};
using KvChainPtr = std::shared_ptr<const KvChain>;

}  // namespace quire
