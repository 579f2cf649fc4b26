#include "server/dashboard/live_json.h"

#include <algorithm>
#include <string_view>

#include "base/token_id.h"
#include "server/openai/json_writer.h"
#include "server/request_number.h"
#include "server/tenant_usage.h"

namespace quire {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

struct Label {
  std::string_view name;
  std::string_view value;
};

bool Has(const ClientMetric& metric, const Label& label) {
  return std::ranges::any_of(metric.label, [&](const ClientMetric::Label& one) {
    return one.name == label.name && one.value == label.value;
  });
}

// The sum of the counters of a family that carry these labels.
double Sum(const std::vector<MetricFamily>& families, std::string_view name,
           std::initializer_list<Label> labels = {}) {
  const auto family = std::ranges::find(families, name, &MetricFamily::name);
  if (family == families.end()) return 0;
  double sum = 0;
  for (const ClientMetric& metric : family->metric) {
    const auto carries = [&](const Label& label) { return Has(metric, label); };
    if (std::ranges::all_of(labels, carries)) sum += metric.counter.value;
  }
  return sum;
}

void WriteTotals(const std::vector<MetricFamily>& families, std::string_view name,
                 JsonWriter& json) {
  const auto family = std::ranges::find(families, name, &MetricFamily::name);
  uint64_t count = 0;
  double sum = 0;
  if (family != families.end()) {
    for (const ClientMetric& metric : family->metric) {
      count += metric.histogram.sample_count;
      sum += metric.histogram.sample_sum;
    }
  }
  json.BeginObject().Field("count", count).Field("sum", sum).EndObject();
}

void WriteTokens(const std::vector<MetricFamily>& families, std::initializer_list<Label> of,
                 JsonWriter& json) {
  const auto prompt = [&](std::string_view source) {
    if (of.size() == 0) return Sum(families, "quire_prompt_tokens_total", {{"source", source}});
    return Sum(families, "quire_prompt_tokens_total", {{"source", source}, *of.begin()});
  };
  json.Key("tokens").BeginObject();
  json.Field("ram", prompt("ram")).Field("disk", prompt("disk"));
  json.Field("remote", prompt("remote")).Field("computed", prompt("computed"));
  json.Field("generated", Sum(families, "quire_generated_tokens_total", of));
  json.EndObject();
}

std::string_view NameOf(RequestPhase phase) {
  switch (phase) {
    case RequestPhase::kDisk:
      return "disk";
    case RequestPhase::kQueued:
      return "queued";
    case RequestPhase::kPrefill:
      return "prefill";
    case RequestPhase::kDecode:
      return "decode";
  }
  return "queued";
}

std::string_view NameOf(BlockState state) {
  switch (state) {
    case BlockState::kFree:
      return "free";
    case BlockState::kLive:
      return "live";
    case BlockState::kIdle:
      return "idle";
    case BlockState::kPinned:
      return "pinned";
  }
  return "free";
}

// In runs: how many pieces, then 0 for free or 1 + 3 * place in "tenants" + (live 0, idle 1, pinned
// 2).
void WriteMap(const LiveShot& shot, JsonWriter& json) {
  json.Key("map").BeginArray();
  for (const BlockRun& run : shot.view.map) {
    uint64_t code = 0;
    if (run.state != BlockState::kFree) {
      const auto place = std::ranges::find(shot.usage, shot.view.tenants[run.tenant],
                                           &Engine::TenantUsage::tenant) -
                         shot.usage.begin();
      code = 1 + 3 * static_cast<uint64_t>(place) + (static_cast<uint64_t>(run.state) - 1);
    }
    json.Number(run.pieces).Number(code);
  }
  json.EndArray();
}

void WriteServer(const LiveShot& shot, JsonWriter& json) {
  const EngineStats& stats = shot.view.stats;
  json.Key("server").BeginObject();
  json.Field("blocks", stats.blocks).Field("free_blocks", stats.free_blocks);
  json.Field("live_blocks", stats.live_blocks).Field("idle_blocks", stats.idle_blocks);
  json.Field("pinned_blocks", stats.pinned_blocks);
  json.Field("running", stats.running).Field("waiting", stats.waiting);
  json.Field("map_blocks", shot.view.map_blocks);
  WriteMap(shot, json);
  json.Field("steps", stats.steps).Field("preemptions", stats.preemptions);
  json.Field("evicted_blocks", stats.evicted_blocks);
  json.Field("rejections", Sum(shot.families, "quire_rejections_total"));
  WriteTokens(shot.families, {}, json);
  for (const char* name : {"step_seconds", "step_tokens", "time_to_first_token_seconds",
                           "inter_token_seconds", "request_queue_seconds"}) {
    json.Key(name);
    WriteTotals(shot.families, std::string("quire_") + name, json);
  }
  json.Key("disk").BeginObject().Field("bytes", stats.disk_bytes);
  json.Field("limit_bytes", shot.disk_limit_bytes);
  json.Field("read_bytes", Sum(shot.families, "quire_tier_read_bytes_total"));
  json.Field("write_bytes", Sum(shot.families, "quire_tier_write_bytes_total"));
  json.EndObject().EndObject();
}

void WriteRequest(const RequestView& request, std::string_view tenant, JsonWriter& json) {
  json.BeginObject().Field("id", RequestNumber(request.id)).Field("tenant", tenant);
  json.Field("route", request.route);
  json.Field("phase", NameOf(request.phase)).Field("age_seconds", request.age_seconds);
  json.Field("choices", request.choices).Field("prompt_tokens", request.prompt_tokens);
  json.Field("cached_tokens", request.cached_tokens);
  json.Field("computed_tokens", request.computed_tokens);
  json.Field("generated_tokens", request.generated_tokens);
  json.Field("max_tokens", request.max_tokens).Field("blocks", request.blocks);
  json.Field("preemptions", request.preemptions).EndObject();
}

}  // namespace

std::string LiveJson(const LiveShot& shot, const Caller& caller) {
  const EngineView& view = shot.view;
  JsonWriter json;
  json.BeginObject().Field("time_ms", shot.time_ms).Field("tenant", caller.tenant);
  json.Field("admin", caller.admin).Field("block_tokens", kBlockTokens);
  json.Field("block_bytes", view.stats.block_bytes);
  if (caller.admin) WriteServer(shot, json);
  json.Key("tenants").BeginArray();
  for (const Engine::TenantUsage& usage : shot.usage) {
    if (!caller.MaySee(usage.tenant)) continue;
    json.BeginObject();
    WriteUsage(usage, view.stats.block_bytes, json);
    WriteTokens(shot.families, {{"tenant", usage.tenant}}, json);
    json.EndObject();
  }
  json.EndArray().Key("requests").BeginArray();
  for (const RequestView& request : view.requests) {
    const std::string& tenant = view.tenants[request.tenant];
    if (caller.MaySee(tenant)) WriteRequest(request, tenant, json);
  }
  json.EndArray();
  if (caller.admin) json.Field("requests_left_out", view.requests_left_out);
  return json.EndObject().Take();
}

std::string TreeJson(const PrefixTree& tree, const Caller& caller) {
  JsonWriter json;
  json.BeginObject().Field("object", "cache.tree").Field("block_tokens", kBlockTokens);
  json.Key("nodes").BeginArray();
  for (const PrefixNode& node : tree.nodes) {
    json.BeginObject().Key("parent");
    if (node.parent == PrefixNode::kRoot) {
      json.Null();
    } else {
      json.Number(node.parent);
    }
    if (caller.admin) json.Field("tenant", tree.tenants[node.tenant]);
    json.Field("state", NameOf(node.state)).Field("blocks", node.blocks);
    json.Field("disk_blocks", node.disk_blocks).Field("hits", node.hits);
    json.Field("unused_seconds", node.unused_seconds);
    json.Field("folded_blocks", node.folded_blocks).EndObject();
  }
  json.EndArray().Field("folded_blocks", tree.folded_blocks);
  return json.EndObject().Take();
}

}  // namespace quire
