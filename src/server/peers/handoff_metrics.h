// server/peers/handoff_metrics.h -- what is counted of sessions that go and come.
//
// Threads  any (the metrics library locks).
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "session/session_store.h"

namespace quire {

enum class HandoffDirection : uint8_t { kOut, kIn };

class HandoffMetrics {
 public:
  HandoffMetrics();

  // How a hand-off ended: no error, but not settled, is one whose other side will hear of it later.
  void Ended(HandoffDirection direction, const Error* error, bool settled);
  void Kv(HandoffDirection direction, uint64_t blocks, uint64_t bytes);
  void InDoubt(const SessionStore::Doubts& doubts);

  std::vector<prometheus::MetricFamily> Collect() const { return registry_.Collect(); }

 private:
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& handoffs_;
  prometheus::Family<prometheus::Counter>& blocks_;
  prometheus::Family<prometheus::Counter>& bytes_;
  prometheus::Family<prometheus::Gauge>& in_doubt_;
};

}  // namespace quire
