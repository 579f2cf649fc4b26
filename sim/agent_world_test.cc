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

void Print(const char* name, const AgentWorldResult& result) {
  std::printf("%-14s p50 TTFT after a tool %7.0f ms, p95 %7.0f ms, hits %.3f, lost %lu\n", name,
              Percentile(result.ttft_ms, 0.5), Percentile(result.ttft_ms, 0.95),
              static_cast<double>(result.cached_tokens) / static_cast<double>(result.prompt_tokens),
              static_cast<unsigned long>(result.lost_tokens));
}

AgentWorldOptions EightAgents(uint32_t capacity_blocks) {
  AgentWorldOptions options;
  options.capacity_blocks = capacity_blocks;
  options.chats_per_s = 3;
  options.rates = {.prefill_tokens_per_s = 20'000, .step_ms = 10};
  return options;
}

// Eight agents, 30 turns, tools of 0.1 to 20 s, and a stream of chats that memory has no room for.
TEST(AgentWorld, AgentsFindTheirMemoryWarm) {
  AgentWorldOptions options = EightAgents(6000);
  const AgentWorldResult lru = RunAgents(options);
  options.keep_ms = 60'000;
  const AgentWorldResult kept = RunAgents(options);
  options.keep_ms = 0;
  options.learns = true;
  const AgentWorldResult learned = RunAgents(options);
  Print("lru", lru);
  Print("lru, a minute", kept);
  Print("lru, learned", learned);
  ASSERT_LT(learned.longest_blocks, options.capacity_blocks);
  EXPECT_GE(Percentile(lru.ttft_ms, 0.5), 5 * Percentile(kept.ttft_ms, 0.5));
  EXPECT_GE(Percentile(lru.ttft_ms, 0.5), 5 * Percentile(learned.ttft_ms, 0.5));
  EXPECT_EQ(learned.lost_tokens, 0u) << "all agents together fit";
}

// As above, but not even the agents fit.
TEST(AgentWorld, MostAgentsFindTheirMemoryWarmWhereNotAllFit) {
  AgentWorldOptions options = EightAgents(3500);
  const AgentWorldResult lru = RunAgents(options);
  options.learns = true;
  const AgentWorldResult learned = RunAgents(options);
  Print("lru", lru);
  Print("lru, learned", learned);
  ASSERT_GT(learned.longest_blocks, options.capacity_blocks);
  EXPECT_GE(Percentile(lru.ttft_ms, 0.5), 5 * Percentile(learned.ttft_ms, 0.5));
}

// Neither memory nor machine suffices: half of the agents fit, and to compute all of them again in
// each turn takes longer than their tools.
TEST(AgentWorld, MostAgentsFindTheirMemoryWarmOnABusyMachine) {
  AgentWorldOptions options;
  options.first_prompt_tokens = 500;
  options.tool_result_tokens = 40;
  options.answer_tokens = 25;
  options.turns = 20;
  options.least_gap_ms = 40;
  options.most_gap_ms = 8000;
  options.chats_per_s = 0.15;
  options.chat_tokens = 500;
  options.rates = {.prefill_tokens_per_s = 800, .step_ms = 15};
  for (const uint32_t blocks : {300u, 400u}) {
    options.capacity_blocks = blocks;
    options.learns = false;
    const AgentWorldResult lru = RunAgents(options);
    options.learns = true;
    const AgentWorldResult learned = RunAgents(options);
    Print("lru", lru);
    Print("lru, learned", learned);
    ASSERT_GT(learned.longest_blocks, options.capacity_blocks);
    EXPECT_GE(Percentile(lru.ttft_ms, 0.5), 5 * Percentile(learned.ttft_ms, 0.5)) << blocks;
  }
}

}  // namespace
}  // namespace quire
