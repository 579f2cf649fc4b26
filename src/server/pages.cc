// The pages of Service that need no thought: what is running, how it is, what it counts.
#include <algorithm>
#include <ctime>

#include "engine/engine.h"
#include "kernels/dispatch.h"
#include "kernels/numerics.h"
#include "server/dashboard/dashboard_files.h"
#include "server/ledger/ledger_metrics.h"
#include "server/levers/lever_metrics.h"
#include "server/metrics/open_metrics.h"
#include "server/openai/json_writer.h"
#include "server/service.h"
#include "server/tenant_usage.h"
#include "server/trace/trace_metrics.h"

namespace quire {
namespace {

// "2026-01-02T15:04:05Z"
std::string Rfc3339(int64_t seconds) {
  const auto when = static_cast<std::time_t>(seconds);
  std::tm utc{};
  gmtime_r(&when, &utc);
  char buffer[32];
  return {buffer, std::strftime(buffer, sizeof(buffer), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

// What OpenAI's clients read, then what Anthropic's do.
void WriteModel(const ReadyModel& model, const std::string& name, int64_t since, JsonWriter& json) {
  json.BeginObject()
      .Field("id", name)
      .Field("object", "model")
      .Field("created", since)
      .Field("owned_by", "quire")
      .Field("max_model_len", model.engine->context_tokens())
      .Field("type", "model")
      .Field("display_name", name)
      .Field("created_at", Rfc3339(since))
      .Field("lifecycle", "active")
      .Field("max_input_tokens", model.engine->context_tokens())
      .Field("max_tokens", model.engine->context_tokens());
  json.EndObject();
}

HttpResponse JsonPage(std::string body) {
  HttpResponse response;
  response.body = std::move(body);
  return response;
}

}  // namespace

HttpResponse Service::Dashboard(const HttpRequest& request, const Caller&) {
  if (auto file = ServeDashboard(request, cors_)) return *std::move(file);
  return NoRoute(request, false);
}

HttpResponse Service::Health(const HttpRequest&, const Caller&) {
  const char* status = draining_ ? "draining" : model_ == nullptr ? "loading" : "ok";
  JsonWriter json;
  json.BeginObject().Field("status", status).EndObject();
  HttpResponse response = JsonPage(json.Take());
  if (draining_ || model_ == nullptr) response.status = 503;
  return response;
}

HttpResponse Service::Metrics(const HttpRequest& request, const Caller& caller) {
  auto families = metrics_.Collect();
  if (model_ != nullptr) {
    const Engine& engine = *model_->engine;
    for (auto& family : model_->engine->metrics().Collect()) families.push_back(std::move(family));
    for (auto& family : TenantFamilies(engine.tenant_usage()))
      families.push_back(std::move(family));
  }
  if (sessions_ != nullptr) families.push_back(SessionFamily(sessions_->counts()));
  if (options_.ledger != nullptr) {
    for (auto& family : LedgerFamilies(options_.ledger->counts(), TenantNames())) {
      families.push_back(std::move(family));
    }
  }
  if (options_.levers != nullptr) {
    for (auto& family : LeverFamilies(*options_.levers)) families.push_back(std::move(family));
  }
  if (options_.traces != nullptr) {
    for (auto& family : TraceFamilies(options_.traces->counts())) {
      families.push_back(std::move(family));
    }
  }
  if (peers_ != nullptr) {
    for (auto& family : peers_->Collect()) families.push_back(std::move(family));
  }
  if (!caller.admin) families = OnlyOf(caller.tenant, std::move(families));
  if (QueryValue(request.query, "names") == "vllm") {
    families = WithVllmNames(families, model_ == nullptr ? "" : model_->names.front());
  }
  HttpResponse response;
  if (WantsOpenMetrics(request.accept)) {
    response.content_type = kOpenMetricsType;
    response.body = OpenMetricsText(families, caller.admin ? &metrics_.exemplars() : nullptr);
    return response;
  }
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = MetricsText(families);
  return response;
}

HttpResponse Service::Cache(const HttpRequest&, const Caller& caller) {
  const Engine& engine = *model_->engine;
  const EngineStats stats = engine.stats();
  const auto all = engine.tenant_usage();
  Engine::TenantUsage own;
  own.tenant = caller.tenant;
  const auto found = std::ranges::find(all, caller.tenant, &Engine::TenantUsage::tenant);
  if (found != all.end()) own = *found;
  JsonWriter json;
  json.BeginObject();
  WriteUsage(own, stats.block_bytes, json);
  json.Field("block_bytes", stats.block_bytes).Field("block_tokens", kBlockTokens);
  if (caller.admin) {
    json.Key("server").BeginObject();
    json.Field("blocks", stats.blocks).Field("free_blocks", stats.free_blocks);
    json.Field("live_blocks", stats.live_blocks).Field("idle_blocks", stats.idle_blocks);
    json.Field("pinned_blocks", stats.pinned_blocks).EndObject();
    json.Key("tenants").BeginArray();
    for (const Engine::TenantUsage& usage : all) {
      json.BeginObject();
      WriteUsage(usage, stats.block_bytes, json);
      json.EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
  return JsonPage(json.Take());
}

HttpResponse Service::Cancel(const HttpRequest& request, const Caller& caller) {
  return CancelRequest(running_, request.path, caller);
}

HttpResponse Service::OpenApi(const HttpRequest&, const Caller&) {
  return JsonPage(std::string(kOpenApiText));
}

HttpResponse Service::Version(const HttpRequest&, const Caller&) {
  JsonWriter json;
  json.BeginObject()
      .Field("version", options_.build.version)
      .Field("build", options_.build.build)
      .Field("instruction_set", IsaName(CurrentIsa()))
      .Field("numerics_version", kNumericsVersion);
  if (model_ != nullptr) json.Field("numerics", model_->engine->numerics());
  json.EndObject();
  return JsonPage(json.Take());
}

HttpResponse Service::Models(const HttpRequest&, const Caller&) {
  JsonWriter json;
  json.BeginObject().Field("object", "list").Key("data").BeginArray();
  for (const std::string& name : model_->names) {
    if (name != "*") WriteModel(*model_, name, ready_since_, json);
  }
  json.EndArray();
  const auto named = [&](const std::string& name) { return name != "*"; };
  const auto first = std::ranges::find_if(model_->names, named);
  const auto last = std::find_if(model_->names.rbegin(), model_->names.rend(), named);
  if (first != model_->names.end()) json.Field("first_id", *first).Field("last_id", *last);
  json.Field("has_more", false).EndObject();
  return JsonPage(json.Take());
}

HttpResponse Service::OneModel(const HttpRequest& request, const Caller&) {
  const std::string name = request.path.substr(std::string_view("/v1/models/").size());
  const auto known = model_->NameFor(name);
  if (!known) return ToResponse(known.error(), 1);
  JsonWriter json;
  WriteModel(*model_, *known, ready_since_, json);
  return JsonPage(json.Take());
}

}  // namespace quire
