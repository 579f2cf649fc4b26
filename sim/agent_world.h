// sim/agent_world.h -- agents that call tools, on a server whose memory does not hold all of them.
//
// Each agent has a text that grows with every turn: an answer ends in a call of a tool, the tool
// takes a while, its result and the next question are appended. Meanwhile chats that will not be
// gone on with come and go and fill the cache. What matters is how long an agent waits for the
// first token after its tool came back.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/virtual_server.h"

namespace quire {

struct AgentWorldOptions {
  uint32_t agents = 8;
  uint32_t turns = 30;
  uint32_t first_prompt_tokens = 2500;
  uint32_t tool_result_tokens = 200;
  uint32_t answer_tokens = 60;
  double least_gap_ms = 100;
  double most_gap_ms = 20'000;
  double chats_per_s = 0.5;  // prompts of chat_tokens, read once
  uint32_t chat_tokens = 2000;
  uint32_t capacity_blocks = 4000;  // of 16 tokens
  EvictionKind eviction = EvictionKind::kLru;
  TickMs keep_ms = 0;   // for answers that end in a call
  bool learns = false;  // how long to keep them, from the tools (engine/retention/open_calls.h)
  VirtualRates rates;
  uint64_t seed = 1;
};

struct AgentWorldResult {
  std::vector<double> ttft_ms;  // of turns after a tool
  uint64_t prompt_tokens = 0;   // of those turns
  uint64_t cached_tokens = 0;
  uint64_t lost_tokens = 0;     // in full blocks that the turn before had left behind
  uint32_t longest_blocks = 0;  // of the texts of all agents together
};

AgentWorldResult RunAgents(const AgentWorldOptions& options);

// The smallest value that `share` of them do not exceed; 0 of nothing.
double Percentile(std::vector<double> values, double share);

}  // namespace quire
