// server/metrics/open_metrics.h -- metrics in the format OpenMetrics 1.0, with exemplars.
//
// Threads  pure.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/metrics/exemplars.h"

namespace quire {

inline constexpr std::string_view kOpenMetricsType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

// Whether a client with this Accept header reads it.
bool WantsOpenMetrics(std::string_view accept);

// `exemplars` null: without.
std::string OpenMetricsText(const std::vector<prometheus::MetricFamily>& families,
                            const Exemplars* exemplars);

}  // namespace quire
