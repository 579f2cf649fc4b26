// cache/seen_blocks.h -- a bounded memory of blocks that were here, to tell why one is missing.
//
// A block is known by a fingerprint of its tokens and all before them, keyed for its owner
// (BlockNames::FingerprintOf), and by the root that it was named under. Equal fingerprints under
// another root are the same text under another cache_salt. Nobody but the owner has the key, so
// nobody else can hit an entry.
//
// Of 16 entries that share a place the one noted longest ago makes room; so a memory of 64 Ki
// entries reaches back over at least as many blocks, and a mistake costs a reason, nothing else.
//
// Threads  none. Errors  none. Cost  O(1), 2 MiB.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/ids.h"
#include "cache/miss_reason.h"

namespace quire {

class SeenBlocks {
 public:
  static constexpr uint32_t kEntries = 1 << 16;
  static constexpr uint32_t kWays = 16;

  SeenBlocks() : entries_(kEntries) {}

  struct Key {
    uint64_t fingerprint = 0;
    uint32_t root = 0;  // any 32 bits of it
  };
  enum class Fate : uint8_t { kHere, kEvictedOwn, kEvictedOutside, kPurged };
  void Note(const Key& key, OwnerId owner, Fate fate, TickMs now);
  // All that the owner left behind is out of reach from now on. O(kEntries).
  void Purge(OwnerId owner, TickMs now);

  struct Finding {
    MissReason reason = MissReason::kNeverSeen;
    TickMs at = 0;  // when it was given up; 0: it was not
  };
  // Of a block that is not found under this key.
  Finding Find(const Key& key) const;

 private:
  struct Entry {
    uint64_t fingerprint = 0;
    TickMs at = 0;
    uint32_t root = 0;
    OwnerId owner = kFirstOwner;
    Fate fate = Fate::kHere;
    bool used = false;
  };
  static_assert(sizeof(Entry) == 32);
  // The first of the kWays entries where a fingerprint may be.
  static uint32_t PlaceOf(uint64_t fingerprint) {
    return static_cast<uint32_t>(fingerprint) % (kEntries / kWays) * kWays;
  }

  std::vector<Entry> entries_;
};

}  // namespace quire
