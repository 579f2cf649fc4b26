#include "cache/eviction/leaf_heap.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <utility>

namespace quire {
namespace {

// Two heaps that share places, against ordered sets, by random operations.
TEST(LeafHeap, IsASetOrderedByKey) {
  constexpr uint32_t kBlocks = 200;
  LeafPlaces places(kBlocks);
  LeafHeap heaps[2] = {LeafHeap(places), LeafHeap(places)};
  std::set<std::pair<uint64_t, uint32_t>> naive[2];
  std::map<uint32_t, std::pair<int, uint64_t>> where;
  std::mt19937_64 random(17);
  for (int step = 0; step < 100'000; ++step) {
    const uint32_t block = static_cast<uint32_t>(random() % kBlocks);
    if (const auto found = where.find(block); found != where.end()) {
      const auto [heap, key] = found->second;
      heaps[heap].Remove(BlockId{block});
      naive[heap].erase({key, block});
      where.erase(found);
    } else {
      const int heap = static_cast<int>(random() % 2);
      const uint64_t key = random() % 1000;
      heaps[heap].Add(BlockId{block}, key);
      naive[heap].insert({key, block});
      where[block] = {heap, key};
    }
    ASSERT_EQ(places.contains(BlockId{block}), where.contains(block));
    for (int i = 0; i < 2; ++i) {
      ASSERT_EQ(heaps[i].size(), naive[i].size());
      ASSERT_EQ(heaps[i].empty(), naive[i].empty());
      if (naive[i].empty()) continue;
      ASSERT_EQ(heaps[i].first_key(), naive[i].begin()->first);
      ASSERT_TRUE(naive[i].contains({heaps[i].first_key(), Index(heaps[i].first())}));
    }
    if (step % 100 == 0) {
      heaps[0].CheckInvariants();
      heaps[1].CheckInvariants();
    }
  }
}

TEST(LeafHeapDeath, MisuseIsABug) {
  LeafPlaces places(4);
  LeafHeap heap(places);
  heap.Add(BlockId{1}, 5);
  EXPECT_DEATH(heap.Add(BlockId{1}, 6), "added twice");
  EXPECT_DEATH(heap.Remove(BlockId{2}), "not in its heap");
}

}  // namespace
}  // namespace quire
