// server/trace/trace_metrics.h -- how the sending of traces fares, as metrics.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "server/trace/trace_sender.h"

namespace quire {

std::vector<prometheus::MetricFamily> TraceFamilies(const TraceSender::Counts& counts);

}  // namespace quire
