// grammar/shortest.h -- the cheapest way from each state to the end of its rule.
//
// Knuth's generalisation of Dijkstra's algorithm to grammars: the cost of a step is a function of
// the costs of what it leads to, never below them, so states can be settled cheapest first.
//
// Threads  none. Cost: O(edges log states).
#pragma once

#include <cstdint>
#include <queue>
#include <span>
#include <utility>
#include <vector>

namespace quire {

// From `state` to `target`, calling what begins at `callee` on the way; or kNoCallee.
struct CostEdge {
  static constexpr uint32_t kNoCallee = UINT32_MAX;
  uint32_t state;
  uint32_t callee;
  uint32_t target;
  bool tail = false;
};

inline constexpr uint32_t kUnreachable = UINT32_MAX;

// Costs by state: 0 for the final ones, then the least `cost_of(edge, callee cost, target cost)`.
template <typename CostOf>
std::vector<uint32_t> FindCheapest(uint32_t num_states, std::span<const CostEdge> edges,
                                   std::span<const uint32_t> finals, const CostOf& cost_of) {
  std::vector<std::vector<uint32_t>> users(num_states);
  for (uint32_t i = 0; i < edges.size(); ++i) {
    users[edges[i].target].push_back(i);
    if (edges[i].callee != CostEdge::kNoCallee) users[edges[i].callee].push_back(i);
  }
  std::vector<uint32_t> costs(num_states, kUnreachable);
  using Entry = std::pair<uint32_t, uint32_t>;  // cost, state
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  for (const uint32_t state : finals) queue.emplace(0, state);
  while (!queue.empty()) {
    const auto [cost, state] = queue.top();
    queue.pop();
    if (costs[state] != kUnreachable) continue;
    costs[state] = cost;
    for (const uint32_t user : users[state]) {
      const CostEdge& edge = edges[user];
      const uint32_t callee = edge.callee == CostEdge::kNoCallee ? uint32_t{0} : costs[edge.callee];
      if (callee == kUnreachable || costs[edge.target] == kUnreachable) continue;
      queue.emplace(cost_of(edge, callee, costs[edge.target]), edge.state);
    }
  }
  return costs;
}

}  // namespace quire
