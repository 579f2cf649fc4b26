// sched/fair_share.h -- whose turn it is: a clock for each owner that runs by what it uses.
//
// Work done for an owner advances its clock by (cost / weight); whoever's clock is behind is served
// first. So owners who always have work get shares in proportion to their weights, whatever others
// ask for. An owner that had nothing to do gains no credit by it: when it comes back its clock is
// set to that of the active owner furthest behind.
//
// Invariants (CheckInvariants):
//   F1  no active owner's clock is behind the floor; the floor never goes back.
//
// Threads  none. Errors  none. Cost  O(owners).
#pragma once

#include <cstdint>
#include <vector>

#include "cache/ids.h"

namespace quire {

class FairShare {
 public:
  FairShare() { AddOwner(1); }  // kFirstOwner

  void AddOwner(double weight) { owners_.push_back({.weight = weight}); }
  void SetWeight(OwnerId owner, double weight) { owners_[Index(owner)].weight = weight; }

  void Enter(OwnerId owner);  // one piece of work more
  void Leave(OwnerId owner);  // one less
  void Charge(OwnerId owner, double cost);

  double clock(OwnerId owner) const { return owners_[Index(owner)].clock; }
  uint32_t num_owners() const { return static_cast<uint32_t>(owners_.size()); }
  uint32_t work(OwnerId owner) const { return owners_[Index(owner)].work; }

  void CheckInvariants() const;

 private:
  struct Owner {
    double weight = 1;
    double clock = 0;
    uint32_t work = 0;
  };
  void RaiseFloor();

  std::vector<Owner> owners_;
  double floor_ = 0;  // the least clock of those that were active when last looked at
};

}  // namespace quire
