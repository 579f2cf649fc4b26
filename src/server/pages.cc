// The pages of Service that need no thought: what is running, how it is, what it counts.
#include <algorithm>
#include <ctime>

#include "engine/engine.h"
#include "kernels/dispatch.h"
#include "kernels/numerics.h"
#include "server/openai/json_writer.h"
#include "server/service.h"
#include "server/tenant_usage.h"

namespace quire {
namespace {

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return ToValidUtf8(out);
}

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

constexpr std::string_view kPageStart =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Quire</title>"
    "<meta name=\"viewport\" content=\"width=device-width\"><style>body{font:16px/1.5 "
    "system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;color:#111;padding:1rem;overflow:auto}td{padding-right:2rem}</style>"
    "</head><body><h1>Quire</h1>";

constexpr std::string_view kPageEnd =
    "<p><a href=\"/v1/models\">/v1/models</a> &middot; <a href=\"/health\">/health</a> &middot; "
    "<a href=\"/metrics\">/metrics</a> &middot; <a href=\"/v1/cache\">/v1/cache</a> &middot; <a "
    "href=\"/version\">/version</a> &middot; <a href=\"/openapi.json\">/openapi.json</a> &middot; "
    "POST /v1/chat/completions, /v1/completions, /v1/responses, /v1/messages, /v1/sessions, "
    "/tokenize, /detokenize</p></body></html>\n";

}  // namespace

HttpResponse Service::Home(const HttpRequest&, const Caller& caller) {
  HttpResponse response;
  response.content_type = "text/html; charset=utf-8";
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'");
  std::string& page = response.body;
  page = kPageStart;
  if (model_ == nullptr) {
    page += "<p>The model is still loading.</p>";
  } else {
    const EngineStats stats = model_->engine->stats();
    const auto row = [&](std::string_view name, const std::string& value) {
      page.append("<tr><td>").append(name).append("</td><td>").append(EscapeHtml(value));
      page += "</td></tr>";
    };
    page += "<table>";
    row("model", model_->names.front());
    row("context", std::to_string(model_->engine->context_tokens()) + " tokens");
    if (caller.admin) {
      row("KV memory", std::to_string(stats.blocks) + " blocks of 16 tokens, " +
                           std::to_string(stats.idle_blocks) + " kept for reuse, " +
                           std::to_string(stats.pinned_blocks) + " pinned, " +
                           std::to_string(stats.live_blocks) + " in use");
      row("requests", std::to_string(stats.running) + " running, " + std::to_string(stats.waiting) +
                          " waiting");
    }
    for (const Engine::TenantUsage& usage : model_->engine->tenant_usage()) {
      if (tenants_.needs_key() && caller.MaySee(usage.tenant)) row(usage.tenant, InWords(usage));
    }
    row("kernels", std::string(IsaName(CurrentIsa())));
    row("numerics", model_->engine->numerics());
    row("version", options_.build.version);
    page += "</table><p>Try it:</p><pre>curl http://" + EscapeHtml(options_.host) + ":" +
            std::to_string(options_.port) +
            "/v1/chat/completions -d '{\"messages\": [{\"role\": \"user\", \"content\": "
            "\"Hello!\"}]}'</pre>";
  }
  page += kPageEnd;
  return response;
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
  if (!caller.admin) families = OnlyOf(caller.tenant, std::move(families));
  if (QueryValue(request.query, "names") == "vllm") {
    families = WithVllmNames(families, model_ == nullptr ? "" : model_->names.front());
  }
  HttpResponse response;
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
