#include "server/sessions/sessions.h"

#include <algorithm>
#include <chrono>
#include <tuple>
#include <type_traits>
#include <utility>

#include "base/spare_memory.h"
#include "engine/engine.h"
#include "server/generation.h"
#include "server/ledger/ledger_desk.h"
#include "server/parse_pool.h"
#include "server/peers/peers.h"
#include "server/service.h"
#include "session/seal.h"

namespace quire {

namespace asio = boost::asio;

namespace {

constexpr std::string_view kRoot = "/v1/sessions";
constexpr auto kSweepEvery = std::chrono::seconds(60);
constexpr uint32_t kSweptAtOnce = 1000;

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// {id, name of the action}; of /v1/sessions itself both are empty, of a session the name is "*".
std::pair<std::string, std::string> Split(std::string_view path) {
  path.remove_prefix(std::min(path.size(), kRoot.size() + 1));
  if (path.empty()) return {};
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos) return {std::string(path), "*"};
  return {std::string(path.substr(0, slash)), std::string(path.substr(slash + 1))};
}

Error BusyError(const std::string& id) {
  return {ErrorCode::kConflict,
          "the session '" + id.substr(0, 64) +
              "' is busy with another request; try again when that has ended, or fork it",
          {}};
}

}  // namespace

const Sessions::Action Sessions::kActions[] = {
    {.method = "POST", .name = "", .work = CreateSession, .status = 201},
    {.method = "GET", .name = "", .work = ListSessions},
    {.method = "GET", .name = "*", .work = ShowSession},
    {.method = "DELETE", .name = "*", .work = CloseSession, .alone = true},
    {.method = "POST", .name = "append", .work = AppendTo, .alone = true, .waits = true},
    {.method = "POST", .name = "generate", .alone = true},
    {.method = "POST", .name = "truncate", .work = TruncateTo, .alone = true},
    {.method = "POST", .name = "fork", .work = ForkSession, .status = 201},
    {.method = "POST", .name = "pin", .work = PinSession},
    {.method = "POST", .name = "unpin", .work = UnpinSession},
    {.method = "POST", .name = "handoff", .hands_over = true, .alone = true},
    {.method = "POST", .name = "reclaim", .work = ReclaimSession, .alone = true, .waits = true},
    {.method = "GET", .name = "export", .work = ExportSession, .waits = true},
    {.method = "POST", .name = "import", .work = ImportSession, .status = 201, .waits = true},
};

class Sessions::Busy {
 public:
  Busy(std::set<std::string>& all, const SessionCall& call, bool wanted) : all_(all) {
    if (wanted) std::tie(taken_, is_free_) = all.insert(NameOf(call.space, call.id));
    held_ = wanted && is_free_;
  }
  ~Busy() {
    if (held_) all_.erase(taken_);
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  bool is_free() const { return is_free_; }

 private:
  std::set<std::string>& all_;
  std::set<std::string>::iterator taken_;
  bool is_free_ = true;
  bool held_ = false;
};

Sessions::Sessions(std::shared_ptr<SessionStore> store, std::string signing_secret,
                   std::function<void(std::string_view)> log, Peers* peers, bool has_tenants)
    : store_(std::move(store)),
      signing_secret_(std::move(signing_secret)),
      log_(std::move(log)),
      peers_(peers),
      lanes_(has_tenants ? kWaitingOfEach : kWaiting) {
  asio::post(pool_, [this] { SweepLater(); });
}

Sessions::~Sessions() {
  for (asio::thread_pool* pool : {&waiting_, &pool_}) {
    pool->stop();  // drops the timer; whoever works finishes
    pool->join();
  }
}

// On a thread of the pool.
void Sessions::SweepLater() {
  const SparePermit permit(SpareUse::kAll);  // nobody would hear of a failure
  const auto swept = store_->Expire(NowMs(), kSweptAtOnce);
  if (!swept && log_) log_("sessions: " + swept.error().message);
  Recount();
  sweep_.expires_after(kSweepEvery);
  sweep_.async_wait([this](const boost::system::error_code& error) {
    if (!error) SweepLater();
  });
}

void Sessions::Recount() {
  auto counted = store_->CountByTenant();
  const std::lock_guard lock(counts_mutex_);
  if (counted) counts_ = *std::move(counted);
}

std::vector<SessionStore::TenantCount> Sessions::counts() const {
  const std::lock_guard lock(counts_mutex_);
  return counts_;
}

void Sessions::Purge(std::vector<std::pair<std::string, uint64_t>> generations) {
  reads_->ForgetOthers(generations);
  asio::post(pool_, [this, generations = std::move(generations)] {
    const SparePermit permit(SpareUse::kAll);
    for (const auto& [tenant, generation] : generations) {
      const Status purged = store_->Purge(tenant, generation);
      if (!purged && log_) log_("sessions: " + purged.error().message);
    }
    Recount();
  });
}

HttpResponse Sessions::Unknown(const HttpRequest& request, std::string_view name) const {
  std::string allowed;
  for (const Action& action : kActions) {
    if (action.name == name) allowed.append(allowed.empty() ? "" : ", ").append(action.method);
  }
  if (allowed.empty()) {
    return ErrorResponse(404, "not_found",
                         "there is nothing at " + request.path.substr(0, 200) +
                             "; docs/api.md and /openapi.json list what sessions can do");
  }
  HttpResponse response =
      ErrorResponse(405, "method_not_allowed",
                    request.method.substr(0, 32) + " is not allowed here; use " + allowed);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

SessionCall Sessions::CallOf(Exchange& exchange, const Context& context, std::string id) const {
  SessionCall call{.store = *store_, .model = context.model, .space = context.space};
  call.id = std::move(id);
  call.query = exchange.request().query;
  call.body = std::move(exchange.request().body);
  call.request_id = exchange.request().request_id;
  call.signing_key = SignatureOf(signing_secret_, context.space.tenant);
  call.now_ms = NowMs();
  call.most_file_bytes = context.max_body_bytes;
  call.reads = reads_;
  call.peers = peers_;
  return call;
}

asio::awaitable<void> Sessions::Handle(Exchange& exchange, Context context) {
  const HttpRequest& request = exchange.request();
  auto [id, name] = Split(request.path);
  if (name == "*" && id == "import" && request.method == "POST") name = "import";
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  const Action* found = std::ranges::find_if(kActions, [&](const Action& action) {
    return action.method == method && action.name == name;
  });
  if (found == std::end(kActions)) {
    HttpResponse response = Unknown(request, name);
    co_return co_await exchange.Respond(std::move(response));
  }
  SessionCall call = CallOf(exchange, context, std::move(id));
  const Busy busy(busy_, call, found->alone);
  if (!busy.is_free()) {
    HttpResponse response = ToResponse(BusyError(call.id), 1);
    co_return co_await exchange.Respond(std::move(response));
  }
  if (found->hands_over) {
    co_await HandOver(exchange, std::move(call));
  } else if (found->work == nullptr) {
    co_await Answer(exchange, context, std::move(call));
  } else {
    if (found->name == "append") call.entry = context.begin_entry("sessions/append");
    co_await Run(exchange, *found, std::move(call));
  }
}

void Sessions::StopWithClient(Exchange& exchange, const SessionCall& call) {
  exchange.Watch([&exchange, stop = call.stop] {
    if (exchange.gone() || exchange.cut()) stop->Stop();
  });
}

template <typename Function>
asio::awaitable<std::invoke_result_t<Function>> Sessions::RunWaiting(Exchange& exchange,
                                                                     SessionCall& call,
                                                                     Function work) {
  const auto place = co_await lanes_.Enter(exchange.executor(), call.space.tenant);
  call.now_ms = NowMs();
  co_return co_await RunIn(waiting_, work);
}

asio::awaitable<void> Sessions::Run(Exchange& exchange, const Action& action, SessionCall call) {
  auto work = [&] {
    auto result = action.work(call);
    if (result && (action.status == 201 || action.method == "DELETE")) Recount();
    return result;
  };
  if (action.waits) StopWithClient(exchange, call);
  const bool waits = action.waits || (action.method == "DELETE" && IsForced(call));
  Result<std::string> done;
  if (waits) {
    done = co_await RunWaiting(exchange, call, work);
  } else {
    done = co_await RunIn(pool_, work);
  }
  HttpResponse response;
  if (call.entry != nullptr) done ? call.entry->Finish({}) : call.entry->Refuse(done.error());
  if (done) {
    response.status = action.status;
    response.body = *std::move(done);
  } else {
    response = ToResponse(done.error(), call.model->engine->RetryAfterSeconds());
  }
  if (done && action.name == "export") response.content_type = "application/octet-stream";
  co_await exchange.Respond(std::move(response));
}

asio::awaitable<void> Sessions::HandOver(Exchange& exchange, SessionCall call) {
  Result<std::string> done =
      Refuse(ErrorCode::kUnsupported,
             "this server has no peers to hand sessions to; name them with --peer");
  if (peers_ != nullptr) done = co_await peers_->HandOff(call);
  HttpResponse response;
  if (done) {
    response.body = *std::move(done);
  } else {
    response = ToResponse(done.error(), call.model->engine->RetryAfterSeconds());
  }
  co_await exchange.Respond(std::move(response));
}

asio::awaitable<Status> Sessions::Keep(SessionCall& call, SessionTurn& turn) {
  call.now_ms = NowMs();
  auto keep = [&] { return KeepTurn(call, turn); };
  co_return co_await RunIn(pool_, keep);
}

asio::awaitable<void> Sessions::Answer(Exchange& exchange, const Context& context,
                                       SessionCall call) {
  StopWithClient(exchange, call);
  const LedgerEntryPtr entry = context.begin_entry("sessions/generate");
  auto prepare = [&] { return PrepareTurn(call); };
  const std::string& tenant = call.space.tenant;
  Result<SessionTurn> turn = co_await RunWaiting(exchange, call, prepare);
  if (!turn) {
    context.metrics.Count(Outcome::kInvalid, tenant);
    if (entry != nullptr) entry->Refuse(turn.error());
    HttpResponse response = ToResponse(turn.error(), 1);
    co_return co_await exchange.Respond(std::move(response));
  }
  for (GenerationRequest& request : turn->generation.requests) {
    request.tenant = tenant;
    UseHeaderLabels(exchange.request(), request);
  }
  GenerationContext generation{
      *call.model->engine, context.metrics, context.stall_seconds, {}, entry, context.running};
  // What it refers to lives in this coroutine, which waits for Generate.
  generation.settle = [&] { return Keep(call, *turn); };
  const Outcome outcome =
      co_await Generate(exchange, std::move(generation), std::move(turn->generation));
  context.metrics.Count(outcome, tenant);
}

asio::awaitable<void> Sessions::HandleResponse(Exchange& exchange, Context context) {
  constexpr std::string_view kResponses = "/v1/responses";
  const HttpRequest& request = exchange.request();
  context.space.kind = SessionKind::kResponse;
  std::string id = request.path.substr(std::min(request.path.size(), kResponses.size() + 1));
  static constexpr Action kShow{.method = "GET", .name = "*", .work = ShowResponse};
  static constexpr Action kDelete{.method = "DELETE", .name = "*", .work = DeleteResponse};
  const bool below = !id.empty();
  const bool known =
      below ? request.method == "GET" || request.method == "DELETE" : request.method == "POST";
  if (!known) {
    HttpResponse response =
        ErrorResponse(405, "method_not_allowed",
                      request.method.substr(0, 32) + " is not allowed here; use " +
                          (below ? "GET or DELETE" : "POST"));
    response.headers.emplace_back("Allow", below ? "GET, DELETE" : "POST");
    co_return co_await exchange.Respond(std::move(response));
  }
  const bool shows = request.method == "GET";
  SessionCall call = CallOf(exchange, context, std::move(id));
  if (below) {
    co_await Run(exchange, shows ? kShow : kDelete, std::move(call));
  } else {
    co_await AnswerResponse(exchange, context, std::move(call));
  }
}

asio::awaitable<Status> Sessions::KeepAnswer(SessionCall& call, ResponseTurn& turn) {
  call.now_ms = NowMs();
  auto keep = [&] { return KeepResponse(call, turn); };
  co_return co_await RunIn(pool_, keep);
}

asio::awaitable<void> Sessions::AnswerResponse(Exchange& exchange, const Context& context,
                                               SessionCall call) {
  const LedgerEntryPtr entry = context.begin_entry("responses");
  auto prepare = [&] { return PrepareResponseTurn(call); };
  Result<ResponseTurn> turn = co_await RunIn(pool_, prepare);
  const std::string& tenant = call.space.tenant;
  if (!turn) {
    context.metrics.Count(Outcome::kInvalid, tenant);
    if (entry != nullptr) entry->Refuse(turn.error());
    HttpResponse response = ToResponse(turn.error(), 1);
    co_return co_await exchange.Respond(std::move(response));
  }
  for (GenerationRequest& request : turn->generation.requests) {
    request.tenant = tenant;
    UseHeaderLabels(exchange.request(), request);
    const std::string& session = exchange.request().session;
    if (!session.empty()) request.conversation = session;
  }
  GenerationContext generation{
      *call.model->engine, context.metrics, context.stall_seconds, {}, entry, context.running};
  generation.settle = [&] { return KeepAnswer(call, *turn); };
  const Outcome outcome =
      co_await Generate(exchange, std::move(generation), std::move(turn->generation));
  context.metrics.Count(outcome, tenant);
}

}  // namespace quire
