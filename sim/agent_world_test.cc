#include "sim/agent_world.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace quire {
namespace {

TEST(Percentile, IsAValueThatIsThere) {
  EXPECT_EQ(Percentile({}, 0.5), 0);
  EXPECT_EQ(Percentile({3}, 0.99), 3);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 0.5), 2);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 1), 4);
}

// Eight agents, 30 turns, tools of 0.1 to 20 s, and a stream of chats; memory for about half of it.
TEST(AgentWorld, KeptAgentsFindTheirMemoryWarm) {
  AgentWorldOptions options;
  options.capacity_blocks = 5000;
  options.chats_per_s = 3;
  options.rates = {.prefill_tokens_per_s = 20'000, .step_ms = 10};
  const AgentWorldResult lru = RunAgents(options);
  options.keep_ms = 60'000;
  const AgentWorldResult kept = RunAgents(options);
  options.keep_ms = 0;
  options.eviction = EvictionKind::kAuto;
  const AgentWorldResult learned = RunAgents(options);
  const auto print = [](const char* name, const AgentWorldResult& result) {
    std::printf(
        "%-14s p50 TTFT after a tool %7.0f ms, p95 %7.0f ms, hits %.3f\n", name,
        Percentile(result.ttft_ms, 0.5), Percentile(result.ttft_ms, 0.95),
        static_cast<double>(result.cached_tokens) / static_cast<double>(result.prompt_tokens));
  };
  print("lru", lru);
  print("lru and keep", kept);
  print("auto", learned);
  EXPECT_GE(Percentile(lru.ttft_ms, 0.5), 5 * Percentile(kept.ttft_ms, 0.5));
}

}  // namespace
}  // namespace quire
