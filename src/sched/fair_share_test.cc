#include "sched/fair_share.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace quire {
namespace {

// Serves whoever is furthest behind among those with work.
OwnerId Serve(FairShare& share, double cost) {
  OwnerId next = kFirstOwner;
  double least = 1e300;
  for (uint32_t i = 0; i < share.num_owners(); ++i) {
    if (share.work(OwnerId{i}) == 0 || share.clock(OwnerId{i}) >= least) continue;
    least = share.clock(OwnerId{i});
    next = OwnerId{i};
  }
  share.Charge(next, cost);
  return next;
}

TEST(FairShare, ThoseWhoAlwaysHaveWorkShareByWeight) {
  FairShare share;
  share.AddOwner(1);
  share.AddOwner(3);
  share.Enter(OwnerId{1});
  share.Enter(OwnerId{2});
  std::mt19937 random(1);
  std::vector<double> got(3);
  for (int i = 0; i < 10'000; ++i) {
    const double cost = 1 + random() % 100;
    got[Index(Serve(share, cost))] += cost;
  }
  EXPECT_NEAR(got[2] / got[1], 3, 0.02);
  EXPECT_EQ(got[0], 0);
  share.CheckInvariants();
}

TEST(FairShare, IdlenessEarnsNoCreditAndBeingAloneCostsNone) {
  FairShare share;
  share.AddOwner(1);
  const OwnerId first = kFirstOwner;
  const OwnerId second{1};
  share.Enter(first);
  share.Charge(first, 1000);
  share.Enter(second);
  EXPECT_EQ(share.clock(second), share.clock(first)) << "no credit for the time away";
  share.Charge(second, 50);
  share.Leave(second);
  share.Charge(first, 10);
  share.Enter(second);
  EXPECT_EQ(share.clock(second), 1050) << "what it used stays used";
  share.Leave(first);
  share.Leave(second);
  share.Enter(first);
  EXPECT_EQ(share.clock(first), 1050) << "the floor is that of the one furthest behind";
  share.CheckInvariants();
}

TEST(FairShare, TheClocksOfActiveOwnersAreNeverBehindTheFloor) {  // F1
  FairShare share;
  for (int i = 0; i < 4; ++i) share.AddOwner(0.5 + i);
  std::mt19937 random(2);
  for (int step = 0; step < 200'000; ++step) {
    const OwnerId owner{static_cast<uint32_t>(random() % 5)};
    switch (random() % 4) {
      case 0:
        share.Enter(owner);
        break;
      case 1:
        if (share.work(owner) > 0) share.Leave(owner);
        break;
      default:
        if (share.work(owner) > 0) share.Charge(owner, static_cast<double>(random() % 10));
    }
    share.CheckInvariants();
  }
}

}  // namespace
}  // namespace quire
