// server/levers/lever_metrics.h -- the levers of a server as metrics; for admins, as they are of no
// tenant.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "lever/lever_board.h"

namespace quire {

std::vector<prometheus::MetricFamily> LeverFamilies(const LeverBoard& levers);

}  // namespace quire
