#include "server/levers/lever_metrics.h"

#include <string>
#include <utility>

namespace quire {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

void Append(MetricFamily& family, std::vector<ClientMetric::Label> labels, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (family.type == MetricType::Gauge ? metric.gauge.value : metric.counter.value) = value;
  family.metric.push_back(std::move(metric));
}

}  // namespace

std::vector<MetricFamily> LeverFamilies(const LeverBoard& levers) {
  MetricFamily share{"quire_lever_share",
                     "Share of a lever's traffic that is treated; 0 while it does not run",
                     MetricType::Gauge,
                     {}};
  MetricFamily requests{"quire_lever_requests_total",
                        "Requests that a lever was tried on, by arm",
                        MetricType::Counter,
                        {}};
  MetricFamily rolled_back{"quire_lever_rolled_back",
                           "1 while a lever is rolled back by its guardrail",
                           MetricType::Gauge,
                           {}};
  MetricFamily rollbacks{
      "quire_lever_rollbacks_total", "Levers rolled back", MetricType::Counter, {}};
  MetricFamily applied{
      "quire_lever_applied",
      "0 while no lever is applied, because the ledger cannot be read or loses rows",
      MetricType::Gauge,
      {}};
  const bool blind = levers.is_blind();
  Append(applied, {}, blind ? 0 : 1);
  for (const LeverStatus& status : levers.List()) {
    const std::string& name = status.lever.name;
    const bool runs = status.state.phase == LeverPhase::kRunning && !blind;
    Append(share, {{"lever", name}}, runs ? status.lever.share : 0);
    for (const Arm arm : {Arm::kControl, Arm::kTreatment}) {
      Append(requests, {{"arm", std::string(ArmName(arm))}, {"lever", name}},
             static_cast<double>(status.requests[static_cast<size_t>(arm)]));
    }
    Append(rolled_back, {{"lever", name}}, status.state.phase == LeverPhase::kRolledBack ? 1 : 0);
    Append(rollbacks, {{"lever", name}}, static_cast<double>(status.rollbacks));
  }
  return {std::move(share), std::move(requests), std::move(rolled_back), std::move(rollbacks),
          std::move(applied)};
}

}  // namespace quire
