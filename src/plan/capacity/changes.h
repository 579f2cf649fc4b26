// plan/capacity/changes.h -- what other formats of KV, a window, or other kinds of attention would
// change.
//
// Formats and windows are choices of a server. How many KV heads there are, or whether keys and
// values are latent, is a choice of those who train a model: shown to tell what the one at hand
// costs beside its relatives.
//
// Threads  none. Errors  none.
#pragma once

#include <vector>

#include "plan/capacity/capacity_plan.h"

namespace quire {

// `times` null: none. The first one is the plan as it is.
std::vector<Change> Changes(const ModelShape& shape, const CapacityPlan& plan,
                            const StepForecast* times);

}  // namespace quire
