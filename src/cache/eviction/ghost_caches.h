// cache/eviction/ghost_caches.h -- which of two policies would have hit more of what was asked for.
//
// Two caches without blocks over the names of a directory, each as large as the watched share of
// the real one: what an LRU would hold (the names asked for last) and what the model of reuse would
// hold. A text hits as far as all watched names before are held.
//
// The LRU is preferred until the other's lead is more than chance, and so the other way round. If
// both were equally good, the lead would be a random walk of the texts' leads: it is believed when
// its square is beyond the sum of their squares.
//
// Invariants (CheckInvariants):
//   G1  an LRU's ghost holds the newest names of the directory, `capacity` of them if there are.
//   G2  no ghost holds more than `capacity` names.
//
// Threads  none. Errors  none. Cost  O(1) per name; 32 look-ups when the scored ghost is full.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/eviction/name_directory.h"
#include "cache/eviction/reuse_model.h"

namespace quire {

class GhostCaches {
 public:
  // Both outlive it and are only read.
  GhostCaches(const NameDirectory& names, const ReuseModel& model, uint32_t capacity_blocks);

  // A text is asked for: names of the directory from its head on, kNone for one not in it.
  void CountHits(const std::vector<uint32_t>& text);

  void Forget(uint32_t name);                  // before its place goes to another
  void NoteNewest(uint32_t name, TickMs now);  // after it became the newest of the directory

  bool PrefersLru() const { return prefers_lru_; }
  void CheckInvariants() const;

 private:
  void LimitLru();
  void DropWorst(TickMs now);
  void DropScored(uint32_t name);

  const NameDirectory& names_;
  const ReuseModel& model_;
  uint32_t capacity_;
  double asked_ = 0;
  double lead_ = 0;    // hits of the scored ghost beyond those of the LRU's, of late
  double spread_ = 0;  // the squares of the leads of single texts
  bool prefers_lru_ = true;
  std::vector<bool> in_lru_;  // by name
  uint32_t lru_size_ = 0;
  uint32_t lru_oldest_ = NameDirectory::kNone;
  std::vector<uint32_t> scored_;        // names held
  std::vector<uint32_t> scored_place_;  // by name: its index there, or kNone
  uint64_t draws_ = 0;
};

}  // namespace quire
