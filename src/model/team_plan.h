// model/team_plan.h -- which workers take which tokens of a pass through the matrix products.
//
// Workers are cut into teams, tokens into one contiguous share per team. The members of a team
// share the rows of every matrix and meet at barriers of their own; what belongs to whole tokens
// (norm, residual, quantise) each of them does for all of the team's tokens, into its own memory.
//
//   few tokens    one team: every matrix is read once, by all
//   more          as many teams as have kTeamTokens tokens each: fewer meetings, less done twice
//   enough        every worker alone: no meetings. Its tokens are cut into slabs, which those who
//                 are done with their own take over
//
// None of this enters the arithmetic (law 2).
#pragma once

#include <algorithm>
#include <cstdint>

namespace quire {

// With as many tokens a product keeps most of its rate although each team reads all weights.
inline constexpr uint32_t kTeamTokens = 24;
// Tokens that one worker takes through the row steps at once: what it hands from one product to
// the next stays in its L2 cache.
inline constexpr uint32_t kMaxSetTokens = 128;

class TeamPlan {
 public:
  struct Share {
    uint32_t first;
    uint32_t count;
  };

  TeamPlan(uint32_t tokens, uint32_t workers)
      : tokens_(tokens),
        workers_(workers),
        teams_(std::clamp(tokens / kTeamTokens, 1u, workers)),
        slabs_(std::max((tokens + workers * kMaxSetTokens - 1) / (workers * kMaxSetTokens), 1u)) {}

  bool alone() const { return teams_ == workers_; }

  uint32_t team_of(uint32_t worker) const {
    return static_cast<uint32_t>(((uint64_t{worker} + 1) * teams_ - 1) / workers_);
  }
  Share WorkersOf(uint32_t team) const { return Cut(workers_, team, teams_); }
  // In proportion to the team's workers; kMaxSetTokens at most unless alone().
  Share TokensOf(uint32_t team) const {
    const Share team_workers = WorkersOf(team);
    const uint32_t first = Part(tokens_, team_workers.first, workers_);
    return {first, Part(tokens_, team_workers.first + team_workers.count, workers_) - first};
  }
  uint32_t TeamOfToken(uint32_t token) const {
    uint32_t team = 0;
    while (token >= TokensOf(team).first + TokensOf(team).count) ++team;
    return team;
  }

  // Where alone(): worker w's slabs are [w * slabs_per_worker, ...), kMaxSetTokens tokens at most.
  uint32_t slabs_per_worker() const { return slabs_; }
  Share Slab(uint32_t slab) const { return Cut(tokens_, slab, workers_ * slabs_); }

 private:
  static uint32_t Part(uint32_t total, uint32_t index, uint32_t parts) {
    return static_cast<uint32_t>(uint64_t{total} * index / parts);
  }
  static Share Cut(uint32_t total, uint32_t index, uint32_t parts) {
    const uint32_t first = Part(total, index, parts);
    return {first, Part(total, index + 1, parts) - first};
  }

  uint32_t tokens_;
  uint32_t workers_;
  uint32_t teams_;
  uint32_t slabs_;  // of each worker
};

}  // namespace quire
