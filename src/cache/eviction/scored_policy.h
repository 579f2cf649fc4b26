// cache/eviction/scored_policy.h -- gives up the leaf that is worth least by what was learned of
// reuse.
//
// The worth of a leaf is the model's value of blocks like it (reuse_model.h): all blocks take the
// same bytes, and what it costs to compute one again counts as equal. What comes back is learned
// from a sample of the names asked for (name_directory.h), of blocks that were lost as well as of
// those that were kept.
//
// The victim is the worst of a bounded number of leaves: those that were worst when last looked at,
// and some drawn at random. So it is exact while there are few leaves, and among the worst per cent
// when there are many.
//
// Cost     a victim is O(1): at most 64 look-ups. A watched name is O(1), and every 1024 of them a
//          Rebuild of the model. Memory: 24 bytes a block and 0.8 MiB.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/eviction/eviction_policy.h"
#include "cache/eviction/ghost_caches.h"
#include "cache/eviction/name_directory.h"
#include "cache/eviction/reuse_model.h"

namespace quire {

class ScoredPolicy : public EvictionPolicy {
 public:
  // Ids of blocks are below `num_ids`, the capacity unless it is given.
  explicit ScoredPolicy(uint32_t capacity_blocks, uint32_t num_ids = 0);

  void AddOwner() override { leaves_.emplace_back(); }
  void Add(BlockId leaf, OwnerId owner, const BlockUse& use) override;
  void Remove(BlockId leaf, OwnerId owner) override;
  BlockId Victim(OwnerId owner, TickMs now) override;
  void NoteText(const TextNote& text, TickMs now) override;

  // An LRU would have hit more of late.
  bool IsBeatenByLru() const { return ghosts_.PrefersLru(); }
  const ReuseModel& model() const { return model_; }

  void CheckInvariants() const;

 private:
  struct Leaf {
    BlockId block = kNoBlock;
    uint16_t kind = 0;
    TickMs last_use = 0;
    uint64_t serial = 0;
  };
  float WorthOf(const Leaf& leaf, TickMs now) const;
  void Swap(std::vector<Leaf>& leaves, uint32_t a, uint32_t b);
  void Recall(const TextNote& text);
  void Watch(uint64_t name, const BlockUse& use, TickMs now);
  void RebuildModel(TickMs now);

  NameDirectory names_;
  ReuseModel model_;
  GhostCaches ghosts_;
  std::vector<std::vector<Leaf>> leaves_;  // by owner; the worst known are in front
  std::vector<uint32_t> places_;           // by block
  std::vector<uint32_t> text_;             // scratch of NoteText: watched names
  uint64_t draws_ = 0;
  uint32_t watched_since_rebuild_ = 0;
  uint32_t rebuild_after_ = 64;
};

}  // namespace quire
