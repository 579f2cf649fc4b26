// plan/capacity/step_forecast.h -- how long steps, prompts and tokens of a model will take here.
//
//   step = layers(rows) + output(rows that want logits) + attention
//
// The first two were measured for some numbers of rows and are read off between them; attention
// grows with the positions that rows attend to, one by one for rows alone in their sequences, and
// at less each for a chunk of a prompt. Prompts are cut as the server cuts them for one who comes
// alone after a pause: into steps as long as it allows (sched/step_target.h), of step_tokens at
// most.
//
// Threads  none. Errors  none.
#pragma once

#include <cstdint>

#include "plan/capacity/machine_profile.h"
#include "plan/capacity/memory_forecast.h"
#include "plan/capacity/model_shape.h"

namespace quire {

class StepForecast {
 public:
  struct Pace {
    uint32_t step_tokens = 512;
    double target_seconds = 0.1;  // that others are to wait for a step which reads a prompt
    double pause_seconds = 16;    // since anybody else came: steps are as long as they ever are
  };
  // All outlive it. `format` is one that was measured; of others the times are scaled by bytes.
  StepForecast(const ModelShape& shape, const ModelTimes& times, KvFormat format, Pace pace);

  // One token of each of `sequences`, which have `depth` tokens before it.
  double DecodeSeconds(uint32_t sequences, uint32_t depth) const;
  // `rows` tokens of a prompt from `first` on.
  double ChunkSeconds(uint32_t rows, uint32_t first) const;

  struct Prefill {
    double seconds = 0;  // to the first token
    uint32_t steps = 0;
    uint32_t largest_step = 0;  // rows
  };
  // A prompt of `tokens` of which the first `cached` are there.
  Prefill PrefillOf(uint32_t tokens, uint32_t cached = 0) const;

  // Positions that a token at `position` attends to, itself included, summed over layers.
  double Attended(uint32_t position) const;
  // The same summed over `rows` tokens from `first` on.
  double AttendedBy(uint32_t rows, uint32_t first) const;

  const Pace& pace() const { return pace_; }
  const AttentionTimes& attention() const { return attention_; }
  const ModelTimes& times() const { return times_; }

 private:
  uint32_t RowsInStep(uint32_t first, uint32_t most) const;

  const ModelShape& shape_;
  const ModelTimes& times_;
  const Pace pace_;
  AttentionTimes attention_;
};

// What a server does besides its steps: taking a request in and telling its first token, and
// choosing and telling each token.
inline constexpr double kRequestSeconds = 0.0015;
inline constexpr double kTokenSeconds = 0.00005;

}  // namespace quire
