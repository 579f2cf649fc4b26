// apps/top/view/rates.h -- what a server did between two moments, from counters that only grow.
#pragma once

#include <optional>

#include "apps/top/view/live_state.h"

namespace quire {

// What happened in a while; nullopt: nothing that could be divided by.
struct Rates {
  std::optional<double> found_share;  // of prompt tokens, found rather than computed
  std::optional<double> prompt_per_second;
  std::optional<double> generated_per_second;
  std::optional<double> step_seconds;
  std::optional<double> step_tokens;
  std::optional<double> first_token_seconds;
  std::optional<double> inter_token_seconds;
  std::optional<double> queue_seconds;
  std::optional<double> read_bytes_per_second;
  std::optional<double> write_bytes_per_second;
};

// Share of the prompt tokens that were found; nullopt if there were none.
std::optional<double> FoundShare(const TokenCounts& tokens);

// Of an admin's states. A counter that shrank means that the server began anew: nothing is known.
Rates RatesBetween(const LiveState& before, const LiveState& now);

// Of one state, since the server began: means, and no rates.
Rates RatesSinceStart(const LiveState& now);

}  // namespace quire
