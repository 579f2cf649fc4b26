#include "sim/random_world.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace quire {
namespace {

// QUIRE_SIM_SEED runs one seed alone; QUIRE_SIM_SEEDS that many.
uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(RandomWorld, KeepsItsRulesUnderFaultsWhateverTheSeed) {
  const uint64_t only = FromEnvironment("QUIRE_SIM_SEED", 0);
  const uint64_t seeds = FromEnvironment("QUIRE_SIM_SEEDS", 1200);
  WorldCounts all;
  for (uint64_t seed = only > 0 ? only : 1; seed <= (only > 0 ? only : seeds); ++seed) {
    // An abort does not let a test speak: what was printed last is the seed.
    std::fprintf(stderr, "\rQUIRE_SIM_SEED=%llu ", static_cast<unsigned long long>(seed));
    all.Add(RandomWorld(seed).Run(400));
  }
  std::fprintf(stderr, "\n");
  std::printf(
      "%llu steps, %llu requests: %llu done, %llu cancelled, %llu never fitted, "
      "%llu refused; %llu preemptions, %llu evictions, %llu pins, %llu failed steps\n",
      static_cast<unsigned long long>(all.steps), static_cast<unsigned long long>(all.requests),
      static_cast<unsigned long long>(all.done), static_cast<unsigned long long>(all.cancelled),
      static_cast<unsigned long long>(all.never_fitted),
      static_cast<unsigned long long>(all.refused),
      static_cast<unsigned long long>(all.preemptions),
      static_cast<unsigned long long>(all.evictions), static_cast<unsigned long long>(all.pins),
      static_cast<unsigned long long>(all.failed_steps));
  EXPECT_EQ(all.done + all.cancelled + all.never_fitted, all.requests);
  if (only > 0) return;
  // Everything that can happen did.
  for (const uint64_t count :
       {all.done, all.cancelled, all.never_fitted, all.refused, all.preemptions, all.evictions,
        all.pins, all.failed_steps, all.cached_tokens, all.awaited}) {
    EXPECT_GT(count, seeds / 10);
  }
}

TEST(RandomWorld, IsAFunctionOfItsSeed) {
  const WorldCounts first = RandomWorld(5).Run(500);
  const WorldCounts second = RandomWorld(5).Run(500);
  EXPECT_EQ(first.steps, second.steps);
  EXPECT_EQ(first.cached_tokens, second.cached_tokens);
  EXPECT_EQ(first.evictions, second.evictions);
}

}  // namespace
}  // namespace quire
