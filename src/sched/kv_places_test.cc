// How much of the KV memory that sequences hold is of no token: less than a block for each.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "sched/scheduler.h"

namespace quire {
namespace {

constexpr uint32_t kSequences = 64;

// 64 prompts of any length, of which some begin alike, are read in chunks and gone on with.
TEST(KvPlaces, OfManyMixedSequencesWasteHalfABlockEach) {
  KvCache cache({.capacity_blocks = 8192});
  Scheduler scheduler({.step_tokens = 512, .prefill_chunk = 512}, kSequences, cache);
  const uint32_t block = cache.block_tokens();
  std::mt19937 random(1);
  for (uint32_t i = 0; i < kSequences; ++i) {
    SequenceSpec spec;
    spec.prompt.assign(1 + random() % 2000, static_cast<TokenId>(i % 48));
    spec.max_tokens = 1000;
    ASSERT_TRUE(scheduler.Submit(std::move(spec)));
  }
  double allocated = 0;
  double waste = 0;
  double half_blocks = 0;
  for (uint32_t step = 0; step < 600; ++step) {
    std::vector<Choice> chosen;
    for (const PlanItem& item : scheduler.Plan(step, 512)) {
      if (item.completes) chosen.push_back({.token = static_cast<TokenId>(random() % 100)});
    }
    scheduler.Apply(chosen);
    const KvPlaces places = scheduler.places();
    uint64_t uncomputed = 0;
    for (uint64_t id = 1; id <= kSequences; ++id) {
      const Sequence& sequence = scheduler.Get(SequenceId{id});
      uncomputed += uint64_t{sequence.table.size()} * block - sequence.num_computed;
    }
    ASSERT_EQ(places.reserved + places.waste, uncomputed);
    ASSERT_LE(places.waste, uint64_t{scheduler.num_running()} * (block - 1));
    if (scheduler.num_running() < kSequences) continue;
    allocated += uint64_t{cache.pool().num_live()} * block;
    waste += static_cast<double>(places.waste);
    half_blocks += kSequences * block / 2.0;
  }
  ASSERT_GT(allocated, 0) << "all must run at once";
  RecordProperty("waste_per_mille", static_cast<int>(1000 * waste / allocated));
  EXPECT_LT(waste, 0.01 * allocated + half_blocks);
}

}  // namespace
}  // namespace quire
