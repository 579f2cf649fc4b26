// apps/plan/step_samples.h -- what was measured of one kind of step, and what it says of the next.
//
// Threads  none. Errors  none.
#pragma once

#include <cstddef>

#include "apps/bench/bench_case.h"

namespace quire {

struct StepSamples {
  Samples wall;       // seconds of a step
  Samples output;     // of it, the last matrix
  Samples attention;  // of it, attention
};

// Of samples that were taken in so many rounds, as many in each. Whoever is answered feels every
// step, the slow ones too: so the mean of a round, and not the middle of all steps. Rounds that
// other programs spoilt do not count: so the middle of those.
double MedianOfMeans(const Samples& samples, size_t rounds);

}  // namespace quire
