// All policies against a naive list of leaves, by random operations; what each of them prefers.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "cache/eviction/adaptive_policy.h"
#include "cache/eviction/ghost_caches.h"
#include "cache/eviction/lru_policy.h"
#include "cache/eviction/make_policy.h"
#include "cache/eviction/name_directory.h"
#include "cache/eviction/random_draw.h"
#include "cache/eviction/scored_policy.h"

namespace quire {
namespace {

constexpr uint32_t kBlocks = 300;

struct NaiveLeaf {
  OwnerId owner;
  BlockUse use;
};

BlockUse RandomUse(std::mt19937_64& random, uint64_t serial, TickMs now) {
  return {.serial = serial,
          .last_use = now - std::min<TickMs>(now, random() % 100'000),
          .hits = static_cast<uint32_t>(random() % 5),
          .turn = static_cast<uint32_t>(random() % 5),
          .depth = static_cast<uint32_t>(random() % 100),
          .tail = random() % 8 == 0};
}

class AnyPolicy : public testing::TestWithParam<EvictionKind> {};

TEST_P(AnyPolicy, GivesUpLeavesOfTheOwnerAndOnlyThose) {
  const auto policy = MakeEvictionPolicy(GetParam(), kBlocks);
  policy->AddOwner();
  std::map<uint32_t, NaiveLeaf> leaves;
  std::mt19937_64 random(7);
  TickMs now = 0;
  for (uint64_t step = 1; step <= 60'000; ++step) {
    now += random() % 50;
    const uint32_t block = static_cast<uint32_t>(random() % kBlocks);
    if (const auto found = leaves.find(block); found != leaves.end()) {
      policy->Remove(BlockId{block}, found->second.owner);
      leaves.erase(found);
    } else {
      const NaiveLeaf leaf{OwnerId{static_cast<uint32_t>(random() % 2)},
                           RandomUse(random, step, now)};
      policy->Add(BlockId{block}, leaf.owner, leaf.use);
      leaves.emplace(block, leaf);
    }
    const OwnerId owner{static_cast<uint32_t>(random() % 2)};
    const BlockId victim = policy->Victim(owner, now);
    const bool any =
        std::ranges::any_of(leaves, [&](const auto& l) { return l.second.owner == owner; });
    ASSERT_EQ(victim != kNoBlock, any) << "step " << step;
    if (!any) continue;
    ASSERT_TRUE(leaves.contains(Index(victim))) << "step " << step;
    ASSERT_EQ(leaves[Index(victim)].owner, owner) << "step " << step;
    if (random() % 2 == 0) {
      policy->Remove(victim, owner);
      leaves.erase(Index(victim));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, AnyPolicy,
                         testing::Values(EvictionKind::kAuto, EvictionKind::kLru,
                                         EvictionKind::kScored));

TEST(LruPolicy, IsExactlyTheSmallestSerial) {
  LruPolicy policy(kBlocks);
  std::map<uint64_t, uint32_t> by_serial;
  std::mt19937_64 random(3);
  for (uint32_t block = 0; block < kBlocks; ++block) {
    const uint64_t serial = random();
    policy.Add(BlockId{block}, kFirstOwner, {.serial = serial});
    by_serial.emplace(serial, block);
  }
  for (const auto& [serial, block] : by_serial) {
    ASSERT_EQ(policy.Victim(kFirstOwner, 0), BlockId{block});
    policy.Remove(BlockId{block}, kFirstOwner);
  }
  EXPECT_EQ(policy.Victim(kFirstOwner, 0), kNoBlock);
}

// With few leaves all are looked at: the victim is the least of value, then of serial.
TEST(ScoredPolicy, IsExactWhileThereAreFewLeaves) {
  ScoredPolicy policy(kBlocks);
  std::mt19937_64 random(5);
  for (int round = 0; round < 300; ++round) {
    const TickMs now = 1'000'000 + round * 1000u;
    std::map<uint32_t, BlockUse> leaves;
    const uint32_t count = 1 + random() % 64;
    for (uint32_t block = 0; block < count; ++block) {
      leaves[block] = RandomUse(random, random(), now);
      policy.Add(BlockId{block}, kFirstOwner, leaves[block]);
    }
    while (!leaves.empty()) {
      const auto worth = [&](const auto& leaf) {
        const BlockUse& use = leaf.second;
        return std::pair(policy.model().Value(ReuseModel::ClassOf(use), now - use.last_use),
                         use.serial);
      };
      const auto worst = std::ranges::min_element(leaves, {}, worth);
      ASSERT_EQ(policy.Victim(kFirstOwner, now), BlockId{worst->first});
      policy.Remove(BlockId{worst->first}, kFirstOwner);
      leaves.erase(worst);
    }
    policy.CheckInvariants();
  }
}

TEST(ScoredPolicy, IsAmongTheWorstFewWhenThereAreMany) {
  constexpr uint32_t kMany = 20'000;
  ScoredPolicy policy(kMany);
  for (uint32_t block = 0; block < kMany; ++block) {
    policy.Add(BlockId{block}, kFirstOwner, {.serial = block, .last_use = TickMs{block} * 100});
  }
  // Without experience the oldest are worth least.
  uint32_t late = 0;
  for (int i = 0; i < 1000; ++i) {
    const BlockId victim = policy.Victim(kFirstOwner, kMany * 100);
    late += Index(victim) > kMany / 10;
    policy.Remove(victim, kFirstOwner);
  }
  EXPECT_LT(late, 20u);
}

TEST(ScoredPolicy, TheDeeperOfTwoAlikeIsWorthNoMore) {
  ScoredPolicy policy(8);
  policy.Add(BlockId{1}, kFirstOwner, {.serial = 1, .depth = 2000});
  policy.Add(BlockId{2}, kFirstOwner, {.serial = 2, .depth = 0});
  EXPECT_EQ(policy.Victim(kFirstOwner, 1000), BlockId{1});
}

// Texts of 4 blocks: every tenth is read again each 30 s, the others never. What the cache lost is
// remembered, so its use is known when it is read once more.
class ReadTexts {
 public:
  explicit ReadTexts(EvictionPolicy& policy) : policy_(policy) {}

  std::vector<BlockUse> Read(uint64_t text, uint32_t found) {
    std::vector<uint64_t> names;
    for (uint64_t i = 0; i < 4; ++i) names.push_back(MixBits(text * 4 + i + 1));
    std::vector<BlockUse> uses(4);
    for (uint32_t i = 0; i < 4; ++i) uses[i] = {.last_use = now, .depth = i, .tail = i == 3};
    policy_.NoteText({.names = names, .uses = uses, .found = found}, now);
    return uses;
  }

  TickMs now = 0;

 private:
  EvictionPolicy& policy_;
};

TEST(ScoredPolicy, RemembersWhatTheCacheLost) {
  ScoredPolicy policy(64);
  ReadTexts texts(policy);
  EXPECT_EQ(texts.Read(1, 0)[0].hits, 0u);
  texts.now = 1000;
  const std::vector<BlockUse> again = texts.Read(1, 0);
  EXPECT_EQ(again[0].hits, 1u);
  EXPECT_EQ(again[3].hits, 1u);
  EXPECT_EQ(again[3].turn, 1u);
  EXPECT_EQ(texts.Read(2, 0)[1].turn, 0u);
  policy.CheckInvariants();
}

TEST(ScoredPolicy, LearnsWhichTextsComeBack) {
  ScoredPolicy policy(64);
  ReadTexts texts(policy);
  std::vector<BlockUse> loved;
  std::vector<BlockUse> fresh;
  uint64_t next = 100;
  for (int second = 0; second < 3000; ++second) {
    texts.now = static_cast<TickMs>(second) * 1000;
    if (second % 30 == 0) loved = texts.Read(1, 0);
    fresh = texts.Read(++next, 0);
  }
  policy.CheckInvariants();
  // 29 s old and due now, against one that was just read for the first time.
  policy.Add(BlockId{1}, kFirstOwner, loved[1]);
  policy.Add(BlockId{2}, kFirstOwner, fresh[1]);
  EXPECT_EQ(policy.Victim(kFirstOwner, texts.now), BlockId{2});
}

TEST(NameDirectory, WatchesAShareAndForgetsTheOldest) {
  NameDirectory names(10'000);
  EXPECT_NEAR(names.rate(), 8192.0 / 160'000, 1e-9);
  uint32_t watched = 0;
  std::vector<uint64_t> inserted;
  for (uint64_t i = 1; i <= 400'000; ++i) {
    const uint64_t name = MixBits(i);
    if (!names.IsWatched(name)) continue;
    ++watched;
    if (i % 7 == 0 && !inserted.empty()) {
      if (const uint32_t at = names.Find(inserted.back()); at != NameDirectory::kNone) {
        names.MakeNewest(at);
      }
    }
    names.Insert(name);
    inserted.push_back(name);
  }
  EXPECT_NEAR(watched, 400'000 * names.rate(), 600);
  EXPECT_TRUE(names.full());
  EXPECT_EQ(names.Find(inserted.front()), NameDirectory::kNone);
  EXPECT_NE(names.Find(inserted.back()), NameDirectory::kNone);
  names.CheckInvariants();
}

// Whatever is read, the LRU's ghost holds exactly the newest names (G1).
TEST(GhostCaches, StayWithinTheirCapacityUnderRandomReads) {
  ScoredPolicy policy(50);
  ReadTexts texts(policy);
  std::mt19937_64 random(11);
  for (int i = 0; i < 4000; ++i) {
    texts.now += random() % 3000;
    texts.Read(random() % (i < 2000 ? 40 : 20'000), 0);
    if (i % 50 == 0) policy.CheckInvariants();
  }
}

TEST(AdaptivePolicy, FollowsTheOneThatWouldHaveHitMore) {
  // A loop slightly larger than the cache, where an LRU never hits, among texts read once.
  AdaptivePolicy loop(64);
  ReadTexts looping(loop);
  for (int i = 0; i < 20'000; ++i) {
    looping.now += 1000;
    looping.Read(static_cast<uint64_t>(i % 20), 0);
  }
  EXPECT_FALSE(loop.follows_lru());
  // One that is due in 5 s is the oldest, but not the one to give up.
  const TickMs now = looping.now;
  loop.Add(BlockId{1}, kFirstOwner,
           {.serial = 1, .last_use = now - 15'000, .hits = 900, .turn = 900});
  loop.Add(BlockId{2}, kFirstOwner, {.serial = 2, .last_use = now});
  EXPECT_EQ(loop.Victim(kFirstOwner, now), BlockId{2});
}

TEST(MakeEvictionPolicy, KnowsItsNames) {
  EXPECT_EQ(EvictionKindNamed("auto"), EvictionKind::kAuto);
  EXPECT_EQ(EvictionKindNamed("lru"), EvictionKind::kLru);
  EXPECT_EQ(EvictionKindNamed("scored"), EvictionKind::kScored);
  EXPECT_FALSE(EvictionKindNamed("LRU").has_value());
}

}  // namespace
}  // namespace quire
