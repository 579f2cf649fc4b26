#include "server/server_metrics.h"

#include <prometheus/text_serializer.h>

namespace quire {
namespace {

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
      connections_(prometheus::BuildGauge()
                       .Name("quire_connections")
                       .Help("Open client connections.")
                       .Register(registry_)
                       .Add({})) {
  for (const Outcome outcome :
       {Outcome::kOk, Outcome::kInvalid, Outcome::kRejected, Outcome::kCancelled, Outcome::kStalled,
        Outcome::kCut, Outcome::kFailed}) {
    requests_.Add({{"outcome", Name(outcome)}});
  }
  prometheus::BuildGauge()
      .Name("quire_build_info")
      .Help("Always 1; the labels say what is running.")
      .Register(registry_)
      .Add({{"version", build.version}, {"build", build.build}})
      .Set(1);
}

void ServerMetrics::Count(Outcome outcome) {
  requests_.Add({{"outcome", Name(outcome)}}).Increment();
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
