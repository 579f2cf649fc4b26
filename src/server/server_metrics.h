// server/server_metrics.h -- what the server counts, and the page that shows all counts.
//
// Threads  all of it: any (the metrics library locks).
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/metrics/exemplars.h"
#include "server/server.h"

namespace quire {

// How a request to generate ended.
enum class Outcome : uint8_t {
  kOk,
  kInvalid,    // the client's mistake: 4xx but 429
  kRejected,   // 429, 413 never_fits, 503
  kCancelled,  // the client went away
  kStalled,    // the client stopped reading
  kRevoked,    // somebody else ended it
  kCut,        // the server was told to stop
  kFailed,
};

class ServerMetrics {
 public:
  explicit ServerMetrics(const BuildInfo& build);

  // A tenant has come: its series are there, at 0, so that the first of each is an increase.
  void Welcome(const std::string& tenant);
  void Count(Outcome outcome, const std::string& tenant);
  // A request was told to expect `forecast` seconds of waiting, and waited `actual`.
  void WaitedInstead(double forecast, double actual);
  void CountFinish(std::string_view reason);  // of one choice
  void SetConnections(size_t connections);

  Exemplars& exemplars() { return exemplars_; }
  std::vector<prometheus::MetricFamily> Collect() const { return registry_.Collect(); }

 private:
  Exemplars exemplars_;
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& finishes_;
  prometheus::Family<prometheus::Histogram>& wait_errors_;
  prometheus::Gauge& connections_;
};

// The families as text in the format Prometheus reads.
std::string MetricsText(const std::vector<prometheus::MetricFamily>& families);

// Those of `families` that vLLM has too, under its names, labelled with the model's name.
std::vector<prometheus::MetricFamily> WithVllmNames(
    const std::vector<prometheus::MetricFamily>& families, const std::string& model_name);

}  // namespace quire
