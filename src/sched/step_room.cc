#include "sched/step_room.h"

#include <cmath>

namespace quire {

// The greater root of position_tokens / 2 * n^2 + (1 + first * position_tokens) * n = room, in the
// form that also holds where the square vanishes.
uint32_t StepRoom::TokensIn(double room, uint32_t first) const {
  constexpr uint32_t kMost = std::numeric_limits<uint32_t>::max();
  if (room <= 0) return 0;
  if (std::isinf(room)) return kMost;
  const double linear = 1 + first * position_tokens;
  const double count =
      2 * room / (linear + std::sqrt(linear * linear + 2 * position_tokens * room));
  return count >= kMost ? kMost : static_cast<uint32_t>(count);
}

}  // namespace quire
