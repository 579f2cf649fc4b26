#include "sched/prefill_turns.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "sched/waiting_queue.h"

namespace quire {

void PrefillTurns::Reserve(uint32_t sequences) {
  turns_.reserve(sequences);
  chunks_.reserve(sequences);
}

std::span<const PrefillTurns::Chunk> PrefillTurns::Divide(std::span<Sequence* const> running,
                                                          const FairShare& share,
                                                          const StepRoom& room,
                                                          const Limits& limits) {
  turns_.clear();
  chunks_.clear();
  room_ = room;
  if (std::isinf(room.tokens)) room_.tokens = limits.rows;
  left_ = limits;
  used_ = 0;
  someone_ends_ = false;
  may_leave_out_ = !left_out_ && !std::isinf(room.tokens);
  left_out_ = false;
  for (Sequence* sequence : running) {
    if (sequence->num_to_go() == 1) continue;
    sequence->work_tokens = sequence->num_to_go();
    turns_.push_back(sequence);
  }
  if (turns_.empty()) return chunks_;
  std::ranges::sort(turns_, {}, [&](const Sequence* s) {
    return std::tuple(share.clock(s->owner()), s->work_tokens, s->id);
  });
  Sequence* eldest = turns_.front();
  for (Sequence* sequence : turns_) {
    if (sequence->owner() == eldest->owner() && RankOf(*sequence) < RankOf(*eldest)) {
      eldest = sequence;
    }
  }
  const double kept = eldest == turns_.front() ? 0 : room_.tokens / 2;
  for (Sequence* sequence : turns_) {
    if (kept == 0 || sequence != eldest) Give(*sequence, room_.tokens - kept - used_);
  }
  if (kept > 0) Give(*eldest, room_.tokens - used_);
  return chunks_;
}

// Rows of logits bound it only where every token wants one.
uint32_t PrefillTurns::MostOf(const Sequence& sequence) const {
  const uint32_t rowless =
      std::max(sequence.first_logit_row, sequence.num_computed) - sequence.num_computed;
  const uint32_t own =
      sequence.handling.chunk_tokens > 0 ? sequence.handling.chunk_tokens : left_.chunk;
  return std::min({sequence.num_to_go(), own, left_.chunk, left_.rows, rowless + left_.logit_rows});
}

void PrefillTurns::Give(Sequence& sequence, double room_tokens) {
  const uint32_t first = sequence.num_computed;
  const uint32_t most = MostOf(sequence);
  uint32_t count = std::min(most, room_.TokensIn(room_tokens, first));
  if (count < sequence.num_to_go() && someone_ends_ && may_leave_out_) {
    left_out_ = true;
    return;
  }
  if (chunks_.empty()) count = std::max(count, std::min(most, 1u));
  if (count == 0) return;
  const uint32_t first_row = std::max(first, sequence.first_logit_row);
  used_ += room_.CostOf(first, count);
  someone_ends_ = someone_ends_ || count == sequence.num_to_go();
  left_.rows -= count;
  left_.logit_rows -= first + count > first_row ? first + count - first_row : 0;
  chunks_.push_back({&sequence, count});
}

}  // namespace quire
