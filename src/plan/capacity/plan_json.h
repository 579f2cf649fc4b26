// plan/capacity/plan_json.h -- a plan as one JSON object: `quire plan --json` and GET /v1/plan.
//
// Threads  none. Errors  none.
#pragma once

#include <string>

#include "plan/capacity/capacity_plan.h"

namespace quire {

// `profile` as MakePlan had it. Sizes are bytes, times seconds; what is not measured is null.
std::string PlanJson(const ModelShape& shape, const CapacityPlan& plan,
                     const MachineProfile* profile);

}  // namespace quire
