#include "cache/eviction/name_directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <random>

#include "cache/eviction/random_draw.h"

namespace quire {
namespace {

TEST(NameDirectory, WatchesEveryNameOfASmallCache) {
  const NameDirectory names(NameDirectory::kEntries / NameDirectory::kReach);
  EXPECT_EQ(names.rate(), 1.0);
  EXPECT_TRUE(names.IsWatched(0));
  EXPECT_TRUE(names.IsWatched(~uint64_t{0}));
  EXPECT_EQ(names.Find(7), NameDirectory::kNone);
}

// Against a list of names, newest first, by random operations; it is full half of the time.
TEST(NameDirectory, IsAListThatForgetsItsEnd) {
  NameDirectory names(64);
  std::list<uint64_t> naive;
  std::mt19937_64 random(31);
  for (uint32_t step = 0; step < 40'000; ++step) {
    // Names collide in buckets: only their low bits count there.
    const uint64_t name = MixBits(random() % 30'000) & ~uint64_t{0xff0};
    const uint32_t at = names.Find(name);
    const bool known = at != NameDirectory::kNone;
    if (known) {
      ASSERT_EQ(names[at].name, name);
      names.MakeNewest(at);
    } else {
      names[names.Insert(name)].hits = static_cast<uint32_t>(name);
    }
    ASSERT_EQ(names[names.newest()].name, name);
    if (known) naive.remove(name);
    naive.push_front(name);
    if (naive.size() > NameDirectory::kEntries) naive.pop_back();
    ASSERT_EQ(names.size(), naive.size());
    ASSERT_EQ(names[names.oldest()].name, naive.back());
    ASSERT_EQ(names[names.oldest()].hits, static_cast<uint32_t>(naive.back()));
    if (step % 5000 == 0) names.CheckInvariants();
  }
  EXPECT_TRUE(names.full());
}

}  // namespace
}  // namespace quire
