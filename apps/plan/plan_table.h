// apps/plan/plan_table.h -- what people read of a plan.
#pragma once

#include <string>

#include "plan/capacity/capacity_plan.h"

namespace quire {

struct PlanText {
  const ModelShape& shape;
  const CapacityPlan& plan;
  const MachineProfile* profile = nullptr;  // null: no times
  std::string model = {};                   // as it was given
  std::string why_no_times = {};
  bool explain = false;  // the arithmetic of every figure
};

std::string PlanTable(const PlanText& text);

}  // namespace quire
