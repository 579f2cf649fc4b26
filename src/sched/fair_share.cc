#include "sched/fair_share.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace quire {

void FairShare::Enter(OwnerId id) {
  Owner& owner = owners_[Index(id)];
  if (owner.work == 0) {
    RaiseFloor();
    owner.clock = std::max(owner.clock, floor_);
  }
  ++owner.work;
}

void FairShare::Leave(OwnerId id) {
  Owner& owner = owners_[Index(id)];
  QUIRE_CHECK(owner.work > 0, "more work left than came");
  if (owner.work == 1) RaiseFloor();  // its clock still counts
  --owner.work;
}

void FairShare::Charge(OwnerId id, double cost) {
  Owner& owner = owners_[Index(id)];
  QUIRE_CHECK(cost >= 0);
  owner.clock += cost / owner.weight;
}

void FairShare::RaiseFloor() {
  double least = std::numeric_limits<double>::infinity();
  for (const Owner& owner : owners_) {
    if (owner.work > 0) least = std::min(least, owner.clock);
  }
  if (least < std::numeric_limits<double>::infinity()) floor_ = std::max(floor_, least);
}

void FairShare::CheckInvariants() const {
  for (const Owner& owner : owners_) {
    QUIRE_CHECK(owner.work == 0 || owner.clock >= floor_, "F1: an active clock is behind");
    QUIRE_CHECK(owner.weight > 0);
  }
}

}  // namespace quire
