#include "server/service.h"

#include <atomic>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "engine/engine.h"
#include "server/anthropic/anthropic_error.h"
#include "server/dashboard/attention_view.h"
#include "server/generation.h"
#include "server/http/trusted_origin.h"
#include "server/ledger/ledger_pages.h"
#include "server/levers/lever_pages.h"
#include "server/openai/error_body.h"
#include "server/parse_pool.h"

namespace quire {

namespace asio = boost::asio;

namespace {

// Parsing and encoding this much takes tenths of a second in the worst case.
constexpr size_t kLargeBodyBytes = size_t{256} << 10;

bool IsAnthropic(std::string_view path) {
  return path == "/v1/messages" || path.starts_with("/v1/messages/");
}

HttpResponse Unauthorized(const HttpRequest& request) {
  const char* why = request.keys.empty()
                        ? "a key is needed; send it as 'Authorization: Bearer KEY'"
                        : "this key is not known here; `quire tenant add` makes one";
  HttpResponse response = ToResponse({ErrorCode::kUnauthorized, why, {}}, 0);
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

// What the tenants may use of an engine without a tenants file: pins must leave room for answers.
Tenant DefaultTenant(const Engine& engine) {
  Tenant tenant;
  tenant.name = Caller().tenant;
  tenant.kv_pinned_bytes = engine.options().kv_memory_bytes / 2;
  return tenant;
}

Result<std::string> AnswerPlan(const ReadyModel& model, const std::string& query) {
  if (model.plan) return model.plan(query);
  return Refuse(ErrorCode::kNotFound, "this server makes no plans");
}

// Peers trust each other, their pages included; without sessions there is nothing they do together.
CorsPolicy CorsPolicyOf(const ServerOptions& options) {
  std::vector<std::string> addresses;
  if (options.sessions) {
    for (const Peer& peer : options.peers.peers()) addresses.push_back(peer.url);
  }
  return {options.cors_origin, addresses};
}

Status CheckHeaders(const HttpRequest& request, const std::string& session) {
  if (session.size() > kMaxConversationBytes) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "the header X-Quire-Session has " + std::to_string(session.size()) +
                      " bytes; at most " + std::to_string(kMaxConversationBytes),
                  "X-Quire-Session");
  }
  return CheckLedgerHeaders(request);
}

}  // namespace

HttpResponse ToResponse(const Error& error, uint32_t retry_after_seconds) {
  const ApiError api = ToApiError(error);
  HttpResponse response;
  response.status = api.status;
  response.body = ErrorBody(api);
  response.error = api;
  if (!error.location.empty()) response.headers.emplace_back("Location", error.location);
  if (api.status == 429 || api.status == 503) {
    const uint32_t own = error.retry_after_seconds;
    const uint32_t seconds = std::max(1u, own > 0 ? own : retry_after_seconds);
    response.headers.emplace_back("Retry-After", std::to_string(seconds));
  }
  return response;
}

// The whole face of the server, one line per path.
const Service::Route Service::kRoutes[] = {
    {.path = "/", .open = true, .page = &Service::Dashboard},
    {.path = "/assets/", .open = true, .page = &Service::Dashboard},
    {.path = "/favicon.svg", .open = true, .page = &Service::Dashboard},
    {.path = "/licenses.txt", .open = true, .page = &Service::Dashboard},
    {.path = "/v1/live", .when = When::kReady, .watching = &LiveFeed::Watch},
    {.path = "/v1/cache/tree", .when = When::kReady, .watching = &LiveFeed::ShowTree},
    {.path = "/v1/requests/", .post = true, .when = When::kReady, .page = &Service::Cancel},
    {.path = "/health", .open = true, .page = &Service::Health},
    {.path = "/metrics", .page = &Service::Metrics},
    {.path = "/version", .page = &Service::Version},
    {.path = "/openapi.json", .page = &Service::OpenApi},
    {.path = "/v1/cache", .when = When::kReady, .page = &Service::Cache},
    {.path = "/v1/plan", .when = When::kReady, .admin = true, .work = AnswerPlan},
    {.path = "/v1/models", .when = When::kReady, .page = &Service::Models},
    {.path = "/v1/models/", .when = When::kReady, .page = &Service::OneModel},
    {.path = "/tokenize", .post = true, .when = When::kReady, .work = Tokenize},
    {.path = "/detokenize", .post = true, .when = When::kReady, .work = Detokenize},
    {.path = "/render", .post = true, .when = When::kReady, .work = Render},
    {.path = "/v1/attention",
     .post = true,
     .when = When::kReady,
     .admin = true,
     .slow_work = ShowAttention},
    {.path = "/v1/completions",
     .post = true,
     .when = When::kReadyNotDraining,
     .generation = PrepareCompletion},
    {.path = "/v1/chat/completions",
     .post = true,
     .when = When::kReadyNotDraining,
     .generation = PrepareChat},
    {.path = "/v1/responses",
     .post = true,
     .when = When::kReadyNotDraining,
     .generation = PrepareResponse,
     .sessions = &Sessions::HandleResponse},
    {.path = "/v1/responses/",
     .when = When::kReadyNotDraining,
     .sessions = &Sessions::HandleResponse},
    {.path = "/v1/messages",
     .post = true,
     .when = When::kReadyNotDraining,
     .generation = PrepareMessages},
    {.path = "/v1/messages/count_tokens", .post = true, .when = When::kReady, .work = CountTokens},
    {.path = "/v1/ledger", .ledger = true},
    {.path = "/v1/ledger/summary", .ledger = true},
    {.path = "/v1/ledger/", .ledger = true},
    {.path = "/v1/levers", .admin = true, .levers = true},
    {.path = "/v1/levers/", .admin = true, .levers = true},
    {.path = "/v1/sessions", .when = When::kReadyNotDraining, .sessions = &Sessions::Handle},
    {.path = "/v1/sessions/", .when = When::kReadyNotDraining, .sessions = &Sessions::Handle},
    {.path = "/v1/peers", .list = true},
    // What keys are to clients, seals are to peers.
    {.path = "/v1/peer/", .post = true, .when = When::kReady, .open = true, .peers = true},
};

Service::Service(const ServerOptions& options)
    : options_(options),
      cors_(CorsPolicyOf(options)),
      metrics_(options.build),
      pool_(std::max(1u, options.parse_threads)) {
  if (options.tenants) tenants_ = TenantDirectory(*options.tenants);
  WelcomeTenants();
  if (options.sessions) {
    if (!options.peers.peers().empty()) {
      peers_ = std::make_unique<Peers>(options.peers, options.sessions, options.log);
    }
    sessions_ = std::make_unique<Sessions>(options.sessions, options.session_secret, options.log,
                                           peers_.get(), tenants_.needs_key());
  }
  PurgeDeparted();
}

// Whoever still works uses the model, so it goes last.
Service::~Service() {
  pool_.join();
  large_pool_.join();
  ledger_pool_.join();
  sessions_.reset();
  peers_.reset();
}

void Service::Load(std::shared_ptr<const ReadyModel> model) {
  model_ = std::move(model);
  ready_since_ = std::chrono::duration_cast<std::chrono::seconds>(
                     std::chrono::system_clock::now().time_since_epoch())
                     .count();
  Engine& engine = *model_->engine;
  const Status described = engine.SetTenants(
      tenants_.needs_key() ? tenants_.tenants() : std::vector{DefaultTenant(engine)});
  if (!described && options_.log) options_.log("tenants: " + described.error().message);
}

std::vector<std::string> Service::TenantNames() const {
  if (!tenants_.needs_key()) return {Caller().tenant};
  std::vector<std::string> names;
  for (const Tenant& tenant : tenants_.tenants()) {
    if (tenants_.Contains(tenant.name)) names.push_back(tenant.name);
  }
  return names;
}

void Service::WelcomeTenants() {
  for (const std::string& name : TenantNames()) metrics_.Welcome(name);
}

Status Service::SetTenants(TenantsFile tenants) {
  QUIRE_CHECK(tenants_.needs_key(), "a server without keys does not ask for them later");
  TenantDirectory next(std::move(tenants), &tenants_);
  if (model_ != nullptr) {
    const Status described = model_->engine->SetTenants(next.tenants());
    if (!described) return described;
  }
  tenants_ = std::move(next);
  WelcomeTenants();
  PurgeDeparted();
  return {};
}

// What was kept before a tenant was purged. Of tenants that are not in the file, sessions and rows
// stay: a line that was lost by mistake costs nobody a conversation.
void Service::PurgeDeparted() {
  if (!tenants_.needs_key()) return;
  std::vector<std::pair<std::string, uint64_t>> generations;
  for (const Tenant& tenant : tenants_.tenants()) {
    if (tenants_.Contains(tenant.name)) generations.emplace_back(tenant.name, tenant.generation);
  }
  if (options_.ledger != nullptr) options_.ledger->Purge(generations);
  if (sessions_ != nullptr) sessions_->Purge(std::move(generations));
}

// Nothing for one who has no key where a key is needed. What a browser asks before it sends one
// says nothing of us.
std::optional<Caller> Service::CallerOf(const HttpRequest& request, const Route* route) const {
  const bool preflight = request.method == "OPTIONS" && !cors_.AnswerTo(request.origin).empty();
  if ((route != nullptr && route->open) || preflight) return Caller{.tenant = {}, .admin = false};
  return tenants_.Find(request.keys);
}

const Service::Route* Service::Find(const HttpRequest& request, bool& path_known) {
  path_known = false;
  for (const Route& route : kRoutes) {
    const bool below = route.path.size() > 1 && route.path.ends_with('/');
    const bool matches =
        below ? request.path.size() > route.path.size() && request.path.starts_with(route.path)
              : request.path == route.path;
    if (!matches) continue;
    path_known = true;
    const bool get = request.method == "GET" || request.method == "HEAD";
    const bool fits = route.any_method() ? request.method != "OPTIONS"
                      : route.post       ? request.method == "POST"
                                         : get;
    if (fits) return &route;
  }
  return nullptr;
}

// OPTIONS, 404 and 405.
HttpResponse Service::NoRoute(const HttpRequest& request, bool path_known) const {
  std::string allowed;
  bool exists = path_known || request.path == "*";
  for (const Route& route : kRoutes) {
    const bool below = route.path.size() > 1 && route.path.ends_with('/');
    if (below ? !request.path.starts_with(route.path) : request.path != route.path) continue;
    allowed = route.post ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
    if (route.any_method()) allowed = "GET, HEAD, POST, DELETE, OPTIONS";
  }
  if (!exists) {
    return ErrorResponse(404, "not_found",
                         "there is nothing at " + request.path.substr(0, 200) +
                             "; GET /openapi.json lists what there is");
  }
  if (request.method == "OPTIONS") {
    HttpResponse response;
    response.status = 204;
    if (!allowed.empty()) response.headers.emplace_back("Allow", allowed);
    if (!cors_.AnswerTo(request.origin).empty()) {
      response.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS");
      response.headers.emplace_back(
          "Access-Control-Allow-Headers",
          "Authorization, Content-Type, X-Api-Key, X-Quire-Session, "
          "X-Quire-Route, X-Quire-Version, X-Quire-Retry-Of, traceparent");
    }
    return response;
  }
  HttpResponse response =
      ErrorResponse(405, "method_not_allowed",
                    request.method.substr(0, 32) + " is not allowed here; use " + allowed);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

bool Service::MayRun(const Route& route, HttpResponse& refusal) const {
  if (route.when == When::kAlways) return true;
  if (model_ == nullptr && !draining_) {
    refusal = ToResponse({ErrorCode::kUnavailable, "the model is still loading; try again", {}}, 2);
    return false;
  }
  if (model_ == nullptr || (draining_ && route.when == When::kReadyNotDraining)) {
    refusal = ToResponse({ErrorCode::kUnavailable, "the server is shutting down", {}}, 5);
    return false;
  }
  return true;
}

asio::awaitable<void> Service::Handle(Exchange& exchange) {
  if (IsAnthropic(exchange.request().path)) exchange.set_error_form(UseAnthropicForm);
  auto stranger = RefuseStrangers(
      exchange.request(),
      {options_.host, cors_, options_.insecure || tenants_.needs_key(), tenants_.needs_key()});
  if (stranger) co_return co_await exchange.Respond(*std::move(stranger));
  bool path_known = false;
  const Route* route = Find(exchange.request(), path_known);
  std::optional<Caller> caller = CallerOf(exchange.request(), route);
  HttpResponse response;
  if (!caller) {
    response = Unauthorized(exchange.request());
  } else if (route == nullptr) {
    response = NoRoute(exchange.request(), path_known);
  } else if (route->admin && !caller->admin) {
    response = ErrorResponse(403, "admin_only",
                             exchange.request().path +
                                 " is for admins: it tells what the whole "
                                 "server has; use the key of a tenant with "
                                 "admin = true");
  } else if (!MayRun(*route, response)) {
    if (route->generation != nullptr) {
      metrics_.Count(Outcome::kRejected, caller->tenant);
      const LedgerEntryPtr entry = BeginEntryOf(exchange, *caller);
      if (entry != nullptr) entry->Refuse({ErrorCode::kUnavailable, {}, {}});
    }
  } else if (route->list) {
    co_return co_await ListPeers(exchange);
  } else if (route->peers) {
    co_return co_await RunPeers(exchange);
  } else if (route->watching != nullptr) {
    co_return co_await RunWatching(exchange, route->watching, *std::move(caller));
  } else if (route->ledger) {
    co_return co_await RunLedger(exchange, *std::move(caller));
  } else if (route->levers) {
    co_return co_await RunLevers(exchange);
  } else if (route->page != nullptr) {
    response = (this->*route->page)(exchange.request(), *caller);
  } else if (route->sessions != nullptr && (sessions_ || route->generation == nullptr)) {
    co_return co_await RunSessions(exchange, route->sessions, *std::move(caller));
  } else if (route->work != nullptr || route->slow_work != nullptr) {
    co_return co_await RunWork(exchange, *route);
  } else {
    co_return co_await RunGeneration(exchange, route->generation, *std::move(caller));
  }
  co_await exchange.Respond(std::move(response));
}

template <typename Function>
asio::awaitable<std::optional<std::invoke_result_t<Function, const Service::HasLeft&>>>
Service::RunBeside(Exchange& exchange, bool slow, Function function) {
  using Maybe = std::optional<std::invoke_result_t<Function, const HasLeft&>>;
  const auto gone = std::make_shared<HasLeft>(false);
  if (!slow) {
    auto result = co_await RunIn(pool_, [&] { return function(*gone); });
    co_return Maybe(std::move(result));
  }
  exchange.Watch([gone, &exchange] { *gone = exchange.gone(); });
  auto run = [gone, &function] { return *gone ? Maybe() : Maybe(function(*gone)); };
  auto result = co_await RunIn(large_pool_, std::move(run));
  co_return result;
}

asio::awaitable<void> Service::RunWork(Exchange& exchange, const Route& route) {
  const auto model = model_;
  const HttpRequest& request = exchange.request();
  const std::string& input = request.method == "POST" ? request.body : request.query;
  auto run = [&](const HasLeft& gone) {
    if (route.work != nullptr) return route.work(*model, input);
    return route.slow_work(*model, input, [&gone] { return gone.load(); });
  };
  const bool slow = route.slow_work != nullptr || input.size() > kLargeBodyBytes;
  auto done = co_await RunBeside(exchange, slow, std::move(run));
  if (!done || exchange.gone()) co_return;
  Result<std::string> result = *std::move(done);
  HttpResponse response;
  if (result) {
    response.body = *std::move(result);
  } else {
    response = ToResponse(result.error(), 1);
  }
  co_await exchange.Respond(std::move(response));
}

asio::awaitable<void> Service::RunGeneration(Exchange& exchange, Preparation prepare,
                                             Caller caller) {
  const auto model = model_;
  const LedgerEntryPtr entry = BeginEntryOf(exchange, caller);
  std::string session = std::move(exchange.request().session);
  if (const Status fine = CheckHeaders(exchange.request(), session); !fine) {
    metrics_.Count(Outcome::kInvalid, caller.tenant);
    if (entry != nullptr) entry->Refuse(fine.error());
    co_return co_await exchange.Respond(ToResponse(fine.error(), 0));
  }
  RawRequest raw{std::move(exchange.request().body), exchange.request().request_id};
  auto run = [&](const HasLeft&) {
    auto ready = prepare(*model, raw);
    if (!ready && entry != nullptr) NoteLabelsOf(raw.body, *entry);
    return ready;
  };
  auto done = co_await RunBeside(exchange, raw.body.size() > kLargeBodyBytes, std::move(run));
  raw.body = {};
  if (!done || exchange.gone()) {
    metrics_.Count(Outcome::kCancelled, caller.tenant);
    if (entry != nullptr) entry->Finish({LedgerOutcome::kCancelled, "client_left", 0});
    co_return;
  }
  Result<PreparedGeneration> prepared = *std::move(done);
  if (!prepared) {
    metrics_.Count(Outcome::kInvalid, caller.tenant);
    if (entry != nullptr) entry->Refuse(prepared.error());
    HttpResponse refusal = ToResponse(prepared.error(), 1);
    co_await exchange.Respond(std::move(refusal));
    co_return;
  }
  for (GenerationRequest& request : prepared->requests) {
    request.tenant = caller.tenant;
    UseHeaderLabels(exchange.request(), request);
    if (!session.empty()) request.conversation = session;
  }
  GenerationContext context{*model->engine, metrics_, options_.stall_seconds, {}, entry, &running_};
  const Outcome outcome = co_await Generate(exchange, context, *std::move(prepared));
  metrics_.Count(outcome, caller.tenant);
}

asio::awaitable<void> Service::RunPeers(Exchange& exchange) {
  if (peers_ == nullptr) {
    HttpResponse refusal = ToResponse(
        {ErrorCode::kUnauthorized, "this server has no peers; name them with --peer", {}}, 1);
    co_return co_await exchange.Respond(std::move(refusal));
  }
  Peers::Context context{model_, tenants_, draining_};
  co_await peers_->Handle(exchange, std::move(context));
}

asio::awaitable<void> Service::ListPeers(Exchange& exchange) {
  if (peers_ != nullptr) co_return co_await peers_->List(exchange);
  HttpResponse none;
  none.body = PeersJson({});
  co_await exchange.Respond(std::move(none));
}

asio::awaitable<void> Service::RunWatching(Exchange& exchange, Watching watching, Caller caller) {
  const HttpRequest& request = exchange.request();
  LiveFeed::Context context;
  context.engine = model_->engine;
  context.draining = [this] { return draining_; };
  context.welcome = [this, &request, before = caller] {
    const std::optional<Caller> now = tenants_.Find(request.keys);
    return now && now->tenant == before.tenant && now->admin == before.admin;
  };
  context.caller = std::move(caller);
  co_await (live_.*watching)(exchange, std::move(context));
}

LedgerEntryPtr Service::BeginEntryOf(Exchange& exchange, const Caller& caller,
                                     std::string api) const {
  constexpr std::string_view kVersion = "/v1/";
  const std::string& path = exchange.request().path;
  if (api.empty()) api = path.substr(std::min(path.size(), kVersion.size()));
  LedgerEntryPtr entry =
      BeginEntry(options_, exchange.request(), caller, model_.get(), std::move(api));
  if (entry != nullptr) exchange.set_traceparent(entry->traceparent());
  return entry;
}

asio::awaitable<void> Service::RunLedger(Exchange& exchange, Caller caller) {
  HttpResponse response;
  if (options_.ledger == nullptr) {
    response = ToResponse(
        {ErrorCode::kUnsupported, "this server keeps no ledger: " + options_.no_ledger_reason, {}},
        1);
  } else {
    const auto answer = [&] { return AnswerLedger(*options_.ledger, exchange.request(), caller); };
    response = co_await RunIn(ledger_pool_, answer);
  }
  co_await exchange.Respond(std::move(response));
}

asio::awaitable<void> Service::RunLevers(Exchange& exchange) {
  HttpResponse response;
  if (options_.levers == nullptr) {
    response = ToResponse({ErrorCode::kUnsupported,
                           "this server tries nothing on its traffic; start it with --levers FILE",
                           {}},
                          1);
  } else {
    const auto answer = [&] { return AnswerLevers(*options_.levers, exchange.request()); };
    response = co_await RunIn(ledger_pool_, answer);
  }
  co_await exchange.Respond(std::move(response));
}

asio::awaitable<void> Service::RunSessions(Exchange& exchange, SessionHandler handler,
                                           Caller caller) {
  if (sessions_ == nullptr) {
    HttpResponse refusal =
        ToResponse({ErrorCode::kUnsupported,
                    "this server keeps no sessions: " + options_.no_sessions_reason,
                    {}},
                   1);
    co_return co_await exchange.Respond(std::move(refusal));
  }
  const HttpRequest& request = exchange.request();
  if (const Status fine = CheckHeaders(request, request.session); !fine) {
    metrics_.Count(Outcome::kInvalid, caller.tenant);
    co_return co_await exchange.Respond(ToResponse(fine.error(), 0));
  }
  Sessions::Context context{model_, metrics_, {}, options_.stall_seconds, options_.max_body_bytes,
                            {},     &running_};
  context.begin_entry = [this, &exchange, caller](std::string api) {
    return BeginEntryOf(exchange, caller, std::move(api));
  };
  context.space.tenant = std::move(caller.tenant);
  context.space.generation = caller.generation;
  co_await (*sessions_.*handler)(exchange, std::move(context));
}

}  // namespace quire
