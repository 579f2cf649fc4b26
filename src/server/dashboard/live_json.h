// server/dashboard/live_json.h -- what a caller may see of a running server, as JSON.
//
// An admin sees all; a tenant its own alone, and nothing of the server as a whole: what that is,
// less one's own, tells of the others. So it has no block map and no step times, and counts only
// its own requests.
//
// Threads  pure functions.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "engine/view/engine_view.h"
#include "server/tenants/tenant_directory.h"

namespace quire {

// One moment of the server.
struct LiveShot {
  EngineView view;
  std::vector<Engine::TenantUsage> usage;
  std::vector<prometheus::MetricFamily> families;  // of the engine
  uint64_t disk_limit_bytes = 0;
  int64_t time_ms = 0;  // since 1970
};

std::string LiveJson(const LiveShot& shot, const Caller& caller);

std::string TreeJson(const PrefixTree& tree, const Caller& caller);

}  // namespace quire
