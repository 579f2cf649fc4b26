#include "server/tenant_usage.h"

#include <algorithm>
#include <utility>

namespace quire {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

MetricFamily GaugeFamily(const char* name, const char* help) {
  MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Gauge;
  return family;
}

void Append(MetricFamily& family, std::vector<ClientMetric::Label> labels, uint64_t value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = static_cast<double>(value);
  family.metric.push_back(std::move(metric));
}

bool IsOf(const ClientMetric& metric, const std::string& tenant) {
  return std::ranges::any_of(metric.label, [&](const ClientMetric::Label& label) {
    return label.name == "tenant" && label.value == tenant;
  });
}

}  // namespace

std::vector<MetricFamily> TenantFamilies(const std::vector<Engine::TenantUsage>& all) {
  MetricFamily held = GaugeFamily("quire_tenant_kv_bytes", "KV memory of a tenant, by state");
  MetricFamily disk = GaugeFamily("quire_tenant_disk_bytes", "KV of a tenant on disk");
  MetricFamily guaranteed =
      GaugeFamily("quire_tenant_kv_guaranteed_bytes", "KV memory that others cannot take");
  MetricFamily limit = GaugeFamily("quire_tenant_kv_limit_bytes", "Most KV memory it may hold");
  for (const Engine::TenantUsage& one : all) {
    Append(held, {{"tenant", one.tenant}, {"state", "live"}}, one.live_bytes);
    Append(held, {{"tenant", one.tenant}, {"state", "idle"}}, one.idle_bytes);
    Append(held, {{"tenant", one.tenant}, {"state", "pinned"}}, one.pinned_bytes);
    Append(disk, {{"tenant", one.tenant}}, one.disk_bytes);
    Append(guaranteed, {{"tenant", one.tenant}}, one.guaranteed_bytes);
    if (one.limit_bytes != Tenant::kUnlimited) {
      Append(limit, {{"tenant", one.tenant}}, one.limit_bytes);
    }
  }
  std::vector<MetricFamily> families;
  for (MetricFamily* family : {&held, &disk, &guaranteed, &limit}) {
    if (!family->metric.empty()) families.push_back(std::move(*family));
  }
  return families;
}

MetricFamily SessionFamily(const std::vector<SessionStore::TenantCount>& counts) {
  MetricFamily family = GaugeFamily("quire_sessions", "Sessions that a tenant keeps");
  for (const auto& [tenant, sessions] : counts) Append(family, {{"tenant", tenant}}, sessions);
  return family;
}

std::vector<MetricFamily> OnlyOf(const std::string& tenant, std::vector<MetricFamily> families) {
  for (MetricFamily& family : families) {
    std::erase_if(family.metric, [&](const ClientMetric& metric) { return !IsOf(metric, tenant); });
  }
  std::erase_if(families, [](const MetricFamily& family) { return family.metric.empty(); });
  return families;
}

void WriteUsage(const Engine::TenantUsage& usage, uint64_t block_bytes, JsonWriter& json) {
  json.Field("tenant", usage.tenant).Key("tiers").BeginObject().Key("ram").BeginObject();
  const std::pair<const char*, uint64_t> kStates[] = {
      {"live", usage.live_bytes}, {"idle", usage.idle_bytes}, {"pinned", usage.pinned_bytes}};
  for (const auto& [state, bytes] : kStates) {
    json.Field(std::string(state) + "_bytes", bytes);
    json.Field(std::string(state) + "_blocks", bytes / block_bytes);
  }
  json.EndObject().Key("disk").BeginObject().Field("bytes", usage.disk_bytes).EndObject();
  json.EndObject().Field("guaranteed_bytes", usage.guaranteed_bytes);
  json.Key("limit_bytes");
  if (usage.limit_bytes == Tenant::kUnlimited) {
    json.Null();
  } else {
    json.Number(usage.limit_bytes);
  }
}

}  // namespace quire
