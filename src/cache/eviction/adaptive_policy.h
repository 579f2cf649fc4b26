// cache/eviction/adaptive_policy.h -- the better of LRU and the scored policy for what is asked.
//
// Which one that is, ghosts of both tell (ghost_caches.h). Leaves are held by both, so changing
// one's mind costs nothing.
//
// Cost     that of both.
#pragma once

#include <algorithm>

#include "cache/eviction/lru_policy.h"
#include "cache/eviction/scored_policy.h"

namespace quire {

class AdaptivePolicy : public EvictionPolicy {
 public:
  explicit AdaptivePolicy(uint32_t capacity_blocks, uint32_t num_ids = 0)
      : lru_(std::max(capacity_blocks, num_ids)), scored_(capacity_blocks, num_ids) {}

  void AddOwner() override;
  void Add(BlockId leaf, OwnerId owner, const BlockUse& use) override;
  void Remove(BlockId leaf, OwnerId owner) override;
  BlockId Victim(OwnerId owner, TickMs now) override;
  void NoteText(const TextNote& text, TickMs now) override { scored_.NoteText(text, now); }

  bool follows_lru() const { return scored_.IsBeatenByLru(); }

 private:
  LruPolicy lru_;
  ScoredPolicy scored_;
};

}  // namespace quire
