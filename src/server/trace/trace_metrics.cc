#include "server/trace/trace_metrics.h"

#include <utility>

namespace quire {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

}  // namespace

std::vector<MetricFamily> TraceFamilies(const TraceSender::Counts& counts) {
  MetricFamily traces{"quire_traces_total",
                      "Traces of requests that were to be exported, by what became of them",
                      MetricType::Counter,
                      {}};
  const auto append = [&traces](const char* result, const char* reason, uint64_t value) {
    ClientMetric metric;
    metric.label = {{"result", result}};
    if (*reason != '\0') metric.label.push_back({"reason", reason});
    metric.counter.value = static_cast<double>(value);
    traces.metric.push_back(std::move(metric));
  };
  append("sent", "", counts.sent);
  append("dropped", "queue_full", counts.queue_full);
  append("dropped", "unreachable", counts.unreachable);
  append("dropped", "refused", counts.refused);
  append("dropped", "no_memory", counts.no_memory);
  MetricFamily queued{
      "quire_traces_queued", "Traces that wait to be exported", MetricType::Gauge, {}};
  ClientMetric gauge;
  gauge.gauge.value = static_cast<double>(counts.queued);
  queued.metric.push_back(std::move(gauge));
  return {std::move(traces), std::move(queued)};
}

}  // namespace quire
