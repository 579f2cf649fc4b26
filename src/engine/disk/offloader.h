// engine/disk/offloader.h -- which blocks are still to be written to the disk, and when.
//
// Every block that becomes findable is noted; between steps runs of them are copied into buffers of
// the tier. So eviction costs nothing: what RAM gives up is on the disk already, or, if it is given
// up before its turn came, lost.
//
// Bounds   blocks that are noted: as many as the arena has, and a step's. What is written beside
//          computing: a share of its time (write_allowance.h), as long as that is enough.
// Threads  the engine's.
#pragma once

#include <cstdint>
#include <deque>

#include "base/token_id.h"
#include "cache/kv_cache.h"
#include "engine/disk/activity.h"
#include "engine/disk/write_allowance.h"
#include "kernels/kv_view.h"
#include "tier/ssd/ssd_tier.h"

namespace quire {

class Offloader {
 public:
  Offloader(const KvView& view, SsdTier& tier);

  // Blocks that `owner` has made findable.
  void Note(const CommittedBlocks& blocks, const BlockOwnerPtr& owner);

  // Hands over what may be handed over now, while the engine does this.
  void Work(const KvCache& cache, Activity activity);
  // WriteAllowance::NoteStep.
  void NoteStep(Activity activity, double begin, double end) {
    allowance_.NoteStep(activity, begin, end);
  }

  size_t num_pending() const { return pending_.size(); }
  uint64_t num_lost() const { return num_lost_; }  // evicted before their turn came

 private:
  static constexpr uint64_t kMostPendingBytes = 128 << 20;  // that a kill may cost

  struct Pending {
    BlockId block = kNoBlock;
    BlockName name;
    BlockName parent;  // zeros for the first of a chain
    ShortTag root_tag{};
    BlockOwnerPtr owner;
    TokenId tokens[kBlockTokens] = {};
  };

  void DropUnneeded(const KvCache& cache);
  bool IsWanted(const KvCache& cache, const Pending& pending);
  bool IsBehind(const KvCache& cache) const;
  uint32_t RunLength(const KvCache& cache);
  bool HandOver(uint32_t blocks);
  void LearnCost();

  const KvView view_;
  SsdTier& tier_;
  std::deque<Pending> pending_;
  WriteAllowance allowance_;
  double copy_seconds_ = 0;
  uint64_t copied_bytes_ = 0;
  DiskCounts learned_;  // as of the last measurement of what writing costs
  uint64_t num_lost_ = 0;
};

}  // namespace quire
