// server/ledger/ledger_metrics.h -- how the ledger itself fares, as metrics.
#pragma once

#include <prometheus/metric_family.h>

#include <span>
#include <string>
#include <vector>

#include "ledger/ledger.h"

namespace quire {

// `tenants` have their series from the start, so that the first loss is an increase.
std::vector<prometheus::MetricFamily> LedgerFamilies(const Ledger::Counts& counts,
                                                     std::span<const std::string> tenants);

}  // namespace quire
