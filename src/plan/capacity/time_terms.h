// plan/capacity/time_terms.h -- where the forecast times come from: work, peaks, and how much of
// the peaks each class of kernels reaches here.
//
// Threads  none. Errors  none.
#pragma once

#include <vector>

#include "plan/capacity/capacity_plan.h"

namespace quire {

// Seconds of the parts of one decoded token, and of one prompt, of the first context of the plan.
std::vector<Term> TimeTerms(const ModelShape& shape, const CapacityPlan& plan,
                            const PeakRates& peaks, const StepForecast& times);

// Seconds that the matrices of a step of `rows` rows take at the peaks: reading the weights once,
// or multiplying, whichever takes longer. `outputs` of the rows want logits.
double IdealLayers(const MatrixWork& work, const PeakRates& peaks, uint32_t rows, uint32_t outputs);
double IdealOutput(const MatrixWork& work, const PeakRates& peaks, uint32_t outputs);

}  // namespace quire
