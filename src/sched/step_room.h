// sched/step_room.h -- how much prefill a step may hold, by what it costs.
//
// The unit is what a token costs at the beginning of a text: one at position p costs
// 1 + p * position_tokens. So a caller with a clock bounds the time of a step, and the scheduler
// needs none.
#pragma once

#include <cstdint>
#include <limits>

namespace quire {

struct StepRoom {
  StepRoom() = default;
  StepRoom(double tokens_in) : tokens(tokens_in) {}  // NOLINT: a number is a room

  double tokens = std::numeric_limits<double>::infinity();  // beside the decodes
  double position_tokens = 0;

  // What `count` tokens from `first` on cost.
  double CostOf(uint32_t first, uint32_t count) const {
    return count * (1 + (first + count / 2.0) * position_tokens);
  }
  // How many tokens from `first` on cost no more than `room`.
  uint32_t TokensIn(double room, uint32_t first) const;
};

}  // namespace quire
