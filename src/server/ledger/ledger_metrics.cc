#include "server/ledger/ledger_metrics.h"

#include <utility>

namespace quire {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

void AppendCount(MetricFamily& family, std::vector<ClientMetric::Label> labels, uint64_t value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.counter.value = static_cast<double>(value);
  family.metric.push_back(std::move(metric));
}

}  // namespace

std::vector<MetricFamily> LedgerFamilies(const Ledger::Counts& counts,
                                         std::span<const std::string> tenants) {
  MetricFamily written{
      "quire_ledger_rows_total", "Requests written down in the ledger", MetricType::Counter, {}};
  AppendCount(written, {}, counts.written);
  MetricFamily lost{"quire_ledger_lost_rows_total",
                    "Requests that the ledger lost, by why",
                    MetricType::Counter,
                    {}};
  auto all = counts.lost;
  for (const std::string& tenant : tenants) all[tenant];
  for (const auto& [tenant, rows] : all) {
    AppendCount(lost, {{"reason", "queue_full"}, {"tenant", tenant}}, rows.queue_full);
    AppendCount(lost, {{"reason", "write_failed"}, {"tenant", tenant}}, rows.write_failed);
  }
  MetricFamily queued{
      "quire_ledger_queued_rows", "Requests that wait to be written down", MetricType::Gauge, {}};
  ClientMetric gauge;
  gauge.gauge.value = static_cast<double>(counts.queued);
  queued.metric.push_back(std::move(gauge));
  return {std::move(written), std::move(lost), std::move(queued)};
}

}  // namespace quire
