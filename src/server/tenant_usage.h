// server/tenant_usage.h -- what tenants use of the KV memory, as people and programs read it.
//
// Threads  pure functions.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "server/openai/json_writer.h"
#include "session/session_store.h"

namespace quire {

// quire_tenant_kv_bytes{tenant, state}, ..._guaranteed_bytes and ..._limit_bytes{tenant}.
std::vector<prometheus::MetricFamily> TenantFamilies(const std::vector<Engine::TenantUsage>& all);

// The series that are of this tenant. Those of all tenants together are left out too: what they
// count, less one's own, tells of the others.
std::vector<prometheus::MetricFamily> OnlyOf(const std::string& tenant,
                                             std::vector<prometheus::MetricFamily> families);

// Fields of an object that is open: "tenant", "tiers", "guaranteed_bytes", "limit_bytes".
void WriteUsage(const Engine::TenantUsage& usage, uint64_t block_bytes, JsonWriter& json);

// quire_sessions: how many each tenant keeps.
prometheus::MetricFamily SessionFamily(const std::vector<SessionStore::TenantCount>& counts);

}  // namespace quire
