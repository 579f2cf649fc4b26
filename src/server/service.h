// server/service.h -- what the server is now, and how each path is answered.
//
//   loading --Load--> ready --Drain--> draining
//
// Handle is the one entry: it finds the path in the table, refuses what is not there, not allowed
// or not possible now, and runs the rest.
//
// Threads  the I/O thread; parsing runs in the pools.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include "server/dashboard/live_feed.h"
#include "server/http/exchange.h"
#include "server/ledger/ledger_desk.h"
#include "server/peers/peers.h"
#include "server/prepare.h"
#include "server/ready_model.h"
#include "server/running_requests.h"
#include "server/server.h"
#include "server/server_metrics.h"
#include "server/sessions/sessions.h"
#include "server/tenants/tenant_directory.h"

namespace quire {

class Service {
 public:
  explicit Service(const ServerOptions& options);
  ~Service();

  void Load(std::shared_ptr<const ReadyModel> model);
  Status SetTenants(TenantsFile tenants);
  void Drain() { draining_ = true; }
  const CorsPolicy& cors() const { return cors_; }
  void SetConnections(size_t connections) { metrics_.SetConnections(connections); }

  boost::asio::awaitable<void> Handle(Exchange& exchange);

 private:
  enum class When : uint8_t { kAlways, kReady, kReadyNotDraining };
  using Page = HttpResponse (Service::*)(const HttpRequest& request, const Caller& caller);
  using Work = Result<std::string> (*)(const ReadyModel&, const std::string&);
  using HasLeft = std::atomic<bool>;
  // Asks between its parts whether nobody waits for it any more.
  using SlowWork = Result<std::string> (*)(const ReadyModel&, const std::string&,
                                           const std::function<bool()>& in_vain);
  using Preparation = Result<PreparedGeneration> (*)(const ReadyModel&, const RawRequest&);
  using Watching = boost::asio::awaitable<void> (LiveFeed::*)(Exchange&, LiveFeed::Context);
  using SessionHandler = boost::asio::awaitable<void> (Sessions::*)(Exchange&, Sessions::Context);
  struct Route {
    std::string_view path;  // ends in "/": everything below it
    bool post = false;      // else GET and HEAD
    When when = When::kAlways;
    bool open = false;             // without a key
    bool admin = false;            // for admins alone
    Page page = nullptr;           // exactly one of these seven
    Work work = nullptr;           // over the body, or of GET the query
    SlowWork slow_work = nullptr;  // likewise; it goes with what large bodies need
    Preparation generation = nullptr;
    // Alone: with every method but OPTIONS. Beside `generation`: instead, if sessions are kept.
    SessionHandler sessions = nullptr;
    Watching watching = nullptr;
    bool peers = false;   // instead of those: other servers
    bool list = false;    // instead of those: of other servers
    bool ledger = false;  // instead of those, with every method
    bool levers = false;  // likewise
    bool any_method() const {
      return ledger || levers || (sessions != nullptr && generation == nullptr);
    }
  };
  static const Route kRoutes[];
  static const Route* Find(const HttpRequest& request, bool& path_known);

  HttpResponse NoRoute(const HttpRequest& request, bool path_known) const;
  std::optional<Caller> CallerOf(const HttpRequest& request, const Route* route) const;
  bool MayRun(const Route& route, HttpResponse& refusal) const;

  // Runs `function` beside the I/O thread, what is slow (a large body) in a lane of its own, and
  // tells it there when the client goes away. An empty result: it went away before its turn.
  template <typename Function>
  boost::asio::awaitable<std::optional<std::invoke_result_t<Function, const HasLeft&>>> RunBeside(
      Exchange& exchange, bool slow, Function function);
  boost::asio::awaitable<void> RunWork(Exchange& exchange, const Route& route);
  boost::asio::awaitable<void> RunGeneration(Exchange& exchange, Preparation prepare,
                                             Caller caller);

  boost::asio::awaitable<void> RunSessions(Exchange& exchange, SessionHandler handler,
                                           Caller caller);
  boost::asio::awaitable<void> RunPeers(Exchange& exchange);
  boost::asio::awaitable<void> ListPeers(Exchange& exchange);
  boost::asio::awaitable<void> RunWatching(Exchange& exchange, Watching watching, Caller caller);
  boost::asio::awaitable<void> RunLedger(Exchange& exchange, Caller caller);
  boost::asio::awaitable<void> RunLevers(Exchange& exchange);
  // `api`: what the row calls it; empty: the path.
  LedgerEntryPtr BeginEntryOf(Exchange& exchange, const Caller& caller, std::string api = {}) const;
  void PurgeDeparted();
  std::vector<std::string> TenantNames() const;  // that may come with a key; "default" without
  void WelcomeTenants();

  HttpResponse Dashboard(const HttpRequest& request, const Caller& caller);
  HttpResponse Health(const HttpRequest& request, const Caller& caller);
  HttpResponse Metrics(const HttpRequest& request, const Caller& caller);
  HttpResponse Version(const HttpRequest& request, const Caller& caller);
  HttpResponse Models(const HttpRequest& request, const Caller& caller);
  HttpResponse OneModel(const HttpRequest& request, const Caller& caller);
  HttpResponse OpenApi(const HttpRequest& request, const Caller& caller);
  HttpResponse Cache(const HttpRequest& request, const Caller& caller);
  HttpResponse Cancel(const HttpRequest& request, const Caller& caller);

  const ServerOptions& options_;
  const CorsPolicy cors_;
  ServerMetrics metrics_;
  LiveFeed live_;
  RunningRequests running_;
  TenantDirectory tenants_;
  std::unique_ptr<Peers> peers_;             // null: there are none
  std::unique_ptr<Sessions> sessions_;       // null: none are kept
  std::shared_ptr<const ReadyModel> model_;  // null while loading
  int64_t ready_since_ = 0;                  // seconds since 1970
  bool draining_ = false;
  boost::asio::thread_pool pool_;
  boost::asio::thread_pool ledger_pool_{1};  // waits for the disk
  boost::asio::thread_pool large_pool_{1};   // so that small requests never wait behind large ones
};

extern const std::string_view kOpenApiText;  // docs/openapi.json

// An Error as a response, with Retry-After where trying again makes sense.
HttpResponse ToResponse(const Error& error, uint32_t retry_after_seconds);

}  // namespace quire
