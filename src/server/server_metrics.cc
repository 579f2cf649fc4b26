#include "server/server_metrics.h"

#include <prometheus/text_serializer.h>

#include <cmath>

namespace quire {
namespace {

const prometheus::Histogram::BucketBoundaries kWaitErrorSeconds = {0.001, 0.003, 0.01, 0.03, 0.1,
                                                                   0.3,   1,     3,    10,   30};

std::string Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kInvalid:
      return "invalid";
    case Outcome::kRejected:
      return "rejected";
    case Outcome::kCancelled:
      return "cancelled";
    case Outcome::kStalled:
      return "stalled";
    case Outcome::kRevoked:
      return "revoked";
    case Outcome::kCut:
      return "cut";
    case Outcome::kFailed:
      return "failed";
  }
  return "failed";
}

}  // namespace

ServerMetrics::ServerMetrics(const BuildInfo& build)
    : requests_(prometheus::BuildCounter()
                    .Name("quire_answers_total")
                    .Help("Requests to generate, by how they ended for the client.")
                    .Register(registry_)),
      finishes_(prometheus::BuildCounter()
                    .Name("quire_choices_total")
                    .Help("Choices given to clients, by why they ended.")
                    .Register(registry_)),
      wait_errors_(prometheus::BuildHistogram()
                       .Name("quire_admission_wait_error_seconds")
                       .Help("By how much requests waited longer, or shorter, than forecast.")
                       .Register(registry_)),
      connections_(prometheus::BuildGauge()
                       .Name("quire_connections")
                       .Help("Open client connections.")
                       .Register(registry_)
                       .Add({})) {
  Welcome("default");
  for (const char* direction : {"longer", "shorter"}) {
    wait_errors_.Add({{"direction", direction}}, kWaitErrorSeconds);
  }
  prometheus::BuildGauge()
      .Name("quire_build_info")
      .Help("Always 1; the labels say what is running.")
      .Register(registry_)
      .Add({{"version", build.version}, {"build", build.build}})
      .Set(1);
}

void ServerMetrics::Welcome(const std::string& tenant) {
  for (const Outcome outcome :
       {Outcome::kOk, Outcome::kInvalid, Outcome::kRejected, Outcome::kCancelled, Outcome::kStalled,
        Outcome::kCut, Outcome::kRevoked, Outcome::kFailed}) {
    requests_.Add({{"outcome", Name(outcome)}, {"tenant", tenant}});
  }
}

void ServerMetrics::Count(Outcome outcome, const std::string& tenant) {
  requests_.Add({{"outcome", Name(outcome)}, {"tenant", tenant}}).Increment();
}

void ServerMetrics::WaitedInstead(double forecast, double actual) {
  const char* direction = actual >= forecast ? "longer" : "shorter";
  wait_errors_.Add({{"direction", direction}}, kWaitErrorSeconds)
      .Observe(std::abs(actual - forecast));
}

void ServerMetrics::CountFinish(std::string_view reason) {
  finishes_.Add({{"finish_reason", std::string(reason)}}).Increment();
}

void ServerMetrics::SetConnections(size_t connections) {
  connections_.Set(static_cast<double>(connections));
}

std::string MetricsText(const std::vector<prometheus::MetricFamily>& families) {
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace quire
