#include "cache/eviction/ghost_caches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <random>
#include <vector>

#include "cache/eviction/random_draw.h"

namespace quire {
namespace {

// A directory and its ghosts, driven as a policy drives them.
class Ghosts {
 public:
  explicit Ghosts(uint32_t capacity) : names_(capacity), ghosts_(names_, model_, capacity) {}

  // Reads a text of names, from its tail, and counts its hits before.
  void Read(const std::vector<uint64_t>& text, TickMs now) {
    std::vector<uint32_t> found;
    for (const uint64_t name : text) {
      if (names_.IsWatched(name)) found.push_back(names_.Find(name));
    }
    ghosts_.CountHits(found);
    for (size_t i = text.size(); i-- > 0;) {
      if (names_.IsWatched(text[i])) Note(text[i], now);
    }
  }

  const NameDirectory& names() const { return names_; }
  const GhostCaches& ghosts() const { return ghosts_; }
  ReuseModel& model() { return model_; }

 private:
  void Note(uint64_t name, TickMs now) {
    uint32_t i = names_.Find(name);
    if (i != NameDirectory::kNone) {
      ghosts_.Forget(i);
      names_.MakeNewest(i);
    } else {
      if (names_.full()) ghosts_.Forget(names_.oldest());
      i = names_.Insert(name);
    }
    names_[i].last_use = now;
    ghosts_.NoteNewest(i, now);
  }

  NameDirectory names_;
  ReuseModel model_;
  GhostCaches ghosts_;
};

TEST(GhostCaches, AnLruGhostIsAnLru) {
  // G1 is checked against the directory's order; that order is checked here against a list.
  Ghosts ghosts(40);
  std::list<uint64_t> order;
  std::mt19937_64 random(23);
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t name = MixBits(1 + random() % 300);
    ghosts.Read({name}, static_cast<TickMs>(step));
    order.remove(name);
    order.push_front(name);
    if (step % 200 != 0) continue;
    ghosts.ghosts().CheckInvariants();
    ghosts.names().CheckInvariants();
    uint32_t at = ghosts.names().newest();
    for (const uint64_t expected : order) {
      ASSERT_EQ(ghosts.names()[at].name, expected);
      at = ghosts.names()[at].older;
    }
  }
}

TEST(GhostCaches, ALoopLargerThanTheCacheIsNothingForAnLru) {
  Ghosts ghosts(40);
  EXPECT_TRUE(ghosts.ghosts().PrefersLru()) << "as long as nothing is known";
  for (int i = 0; i < 1000; ++i) ghosts.model().CountReuse(0, 6000);
  ghosts.model().Rebuild({});
  for (uint32_t step = 0; step < 5000; ++step) {
    ghosts.Read({MixBits(1 + step % 60)}, step * 100);
  }
  EXPECT_FALSE(ghosts.ghosts().PrefersLru());
}

// A model that takes the young for worthless gives up what is read again at once.
TEST(GhostCaches, AnLruIsBetterWhereTheModelIsWrong) {
  Ghosts ghosts(40);
  for (int i = 0; i < 10'000; ++i) ghosts.model().CountReuse(0, 3'000'000);
  for (int i = 0; i < 10'000; ++i) ghosts.model().CountNoReuse(0, 5'000'000);
  ghosts.model().Rebuild({});
  uint64_t next = 1000;
  for (uint32_t step = 0; step < 4000; ++step) {
    const uint64_t name = MixBits(++next);
    ghosts.Read({name}, step * 1000);
    ghosts.Read({MixBits(next - 10)}, step * 1000 + 500);
  }
  ghosts.ghosts().CheckInvariants();
  EXPECT_TRUE(ghosts.ghosts().PrefersLru());
}

TEST(GhostCaches, ATextHitsOnlyAsFarAsItsHeadIsHeld) {
  Ghosts ghosts(4);
  // Heads are too old for an LRU of 4; the tails alone count for nothing.
  for (uint32_t round = 0; round < 50; ++round) {
    for (uint64_t text = 0; text < 3; ++text) {
      ghosts.Read({MixBits(1 + text * 10), MixBits(2 + text * 10), MixBits(3 + text * 10)},
                  round * 1000);
    }
  }
  ghosts.ghosts().CheckInvariants();
  EXPECT_FALSE(ghosts.ghosts().PrefersLru());
}

// Each is read twice at once, and never again.
TEST(GhostCaches, ATieChangesNothing) {
  Ghosts ghosts(40);
  for (int i = 0; i < 1000; ++i) ghosts.model().CountReuse(0, 6000);
  ghosts.model().Rebuild({});
  for (uint32_t step = 0; step < 400; ++step) {
    ghosts.Read({MixBits(1000 + step)}, step * 100);
    ghosts.Read({MixBits(1000 + step)}, step * 100);
  }
  EXPECT_TRUE(ghosts.ghosts().PrefersLru()) << "both hit as much";
}

TEST(GhostCaches, SampleWhereTheCacheIsLarge) {
  constexpr uint32_t kCapacity = 100'000;
  Ghosts ghosts(kCapacity);
  EXPECT_LT(ghosts.names().rate(), 0.01);
  for (uint64_t name = 1; name <= 300'000; ++name) {
    ghosts.Read({MixBits(name)}, name);
  }
  ghosts.ghosts().CheckInvariants();
}

TEST(RandomDraw, IsEvenAndAFunctionOfItsCount) {
  std::vector<uint32_t> counts(10);
  for (uint64_t i = 1; i <= 100'000; ++i) ++counts[DrawBelow(i, 10)];
  for (const uint32_t count : counts) EXPECT_NEAR(count, 10'000, 500);
  EXPECT_EQ(DrawBelow(77, 1000), DrawBelow(77, 1000));
  EXPECT_EQ(DrawBelow(5, 1), 0u);
}

}  // namespace
}  // namespace quire
