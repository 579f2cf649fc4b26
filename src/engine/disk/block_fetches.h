// engine/disk/block_fetches.h -- reads blocks from the disk for whoever wants their bytes rather
// than a request that finds them.
//
// Threads  the engine's.
// Bounds   whoever calls Start bounds what is under way.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "base/token_id.h"
#include "tier/ssd/ssd_tier.h"

namespace quire {

class BlockFetches {
 public:
  explicit BlockFetches(SsdTier& tier) : tier_(tier) {}

  struct Wish {
    BlockOwnerPtr owner;
    ShortTag root_tag{};
    BlockName parent;  // of the first
    std::vector<BlockName> names;
    std::vector<TokenId> tokens;  // of these blocks
    // [count][block_bytes]: as many from the first on as are proven, maybe none.
    std::function<void(std::vector<std::byte> blocks, uint32_t count)> done;
  };
  // `done` is called from Start or Take.
  void Start(Wish wish);
  void Take(const ReadBlocks& blocks);  // those of others are ignored
  bool idle() const { return entries_.empty(); }

 private:
  struct Entry {
    Wish wish;
    uint32_t asked = 0;
    uint32_t accounted = 0;
    std::vector<bool> arrived;
    std::vector<std::byte> blocks;
  };
  bool IsSame(const Entry& entry, const ReadBlocks& blocks, uint32_t i) const;

  SsdTier& tier_;
  std::unordered_map<uint64_t, Entry> entries_;  // by ticket
  uint64_t last_ticket_ = uint64_t{1} << 63;     // beyond those of the onboarder
};

}  // namespace quire
