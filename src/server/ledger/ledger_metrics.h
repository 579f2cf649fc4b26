// server/ledger/ledger_metrics.h -- how the ledger itself fares, as metrics.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "ledger/ledger.h"

namespace quire {

std::vector<prometheus::MetricFamily> LedgerFamilies(const Ledger::Counts& counts);

}  // namespace quire
