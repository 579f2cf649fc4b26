// plan/capacity/fetch_or_compute.h -- from how many tokens on fetching KV beats computing it again.
//
// Threads  none. Errors  none.
#pragma once

#include <span>
#include <vector>

#include "plan/capacity/capacity_plan.h"

namespace quire {

// RAM, disk (where its rate is known), and a network of each of these rates.
std::vector<BreakEven> BreakEvens(const ModelShape& shape, const CapacityPlan& plan,
                                  const PeakRates& peaks, std::span<const double> network_gbits,
                                  const StepForecast& times);

}  // namespace quire
