// server/sessions/sessions.h -- /v1/sessions: who may do what to a session, one after the other.
//
// The work (session_work.h) runs on threads of its own, since it waits for the disk. A session that
// an append, a truncation, a deletion or an answer is at work on is busy: another of these gets a
// 409 at once.
//
// Threads  Handle: the I/O thread. Purge: any.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "server/http/exchange.h"
#include "server/ledger/ledger_entry.h"
#include "server/running_requests.h"
#include "server/server_metrics.h"
#include "server/sessions/ahead_reads.h"
#include "server/sessions/kept_responses.h"
#include "server/sessions/session_call.h"
#include "server/sessions/session_work.h"
#include "server/sessions/tenant_lanes.h"

namespace quire {

class Peers;

class Sessions {
 public:
  // `log` hears of failures of the disk. `peers` null: sessions cannot be handed over.
  // `has_tenants`: none of them may take all of the threads.
  Sessions(std::shared_ptr<SessionStore> store, std::string signing_secret,
           std::function<void(std::string_view)> log, Peers* peers, bool has_tenants);
  ~Sessions();

  struct Context {
    std::shared_ptr<const ReadyModel> model;
    ServerMetrics& metrics;
    SessionSpace space;
    int stall_seconds = 30;
    uint64_t max_body_bytes = 0;
    // Begins a row of the ledger; null if there is none.
    std::function<LedgerEntryPtr(std::string api)> begin_entry = {};
    RunningRequests* running = nullptr;
  };
  // Answers a request whose path is /v1/sessions or below.
  boost::asio::awaitable<void> Handle(Exchange& exchange, Context context);

  // Answers POST /v1/responses, keeping what it answers, and what is below /v1/responses.
  boost::asio::awaitable<void> HandleResponse(Exchange& exchange, Context context);

  // How many each tenant keeps, for the metrics. Any thread.
  std::vector<SessionStore::TenantCount> counts() const;

  // What tenants kept under other generations than these is removed, beside the caller.
  void Purge(std::vector<std::pair<std::string, uint64_t>> generations);

 private:
  using Work = Result<std::string> (*)(const SessionCall& call);
  struct Action {
    std::string_view method;
    std::string_view name;  // behind the id; "*": none, but there is an id; "": no id either
    Work work = nullptr;    // null: an answer is generated, or
    bool hands_over = false;
    bool alone = false;  // makes the session busy
    int status = 200;
    bool waits = false;  // may wait for the engine, or for another server
  };
  static const Action kActions[];
  // Takes the session's name in while it lives.
  class Busy;

  HttpResponse Unknown(const HttpRequest& request, std::string_view name) const;
  SessionCall CallOf(Exchange& exchange, const Context& context, std::string id) const;
  static void StopWithClient(Exchange& exchange, const SessionCall& call);
  // Of those that may wait for others, in their tenant's turn; `call` is of that moment then.
  template <typename Function>
  boost::asio::awaitable<std::invoke_result_t<Function>> RunWaiting(Exchange& exchange,
                                                                    SessionCall& call,
                                                                    Function work);
  boost::asio::awaitable<void> Run(Exchange& exchange, const Action& action, SessionCall call);
  boost::asio::awaitable<void> Answer(Exchange& exchange, const Context& context, SessionCall call);
  boost::asio::awaitable<void> HandOver(Exchange& exchange, SessionCall call);
  boost::asio::awaitable<Status> Keep(SessionCall& call, SessionTurn& turn);
  boost::asio::awaitable<void> AnswerResponse(Exchange& exchange, const Context& context,
                                              SessionCall call);
  boost::asio::awaitable<Status> KeepAnswer(SessionCall& call, ResponseTurn& turn);
  void SweepLater();
  void Recount();

  const std::shared_ptr<SessionStore> store_;
  const std::string signing_secret_;
  const std::function<void(std::string_view)> log_;
  Peers* const peers_;
  const std::shared_ptr<AheadReads> reads_ = std::make_shared<AheadReads>();
  std::set<std::string> busy_;  // by NameOf
  mutable std::mutex counts_mutex_;
  std::vector<SessionStore::TenantCount> counts_;
  boost::asio::thread_pool pool_{2};  // waits for the disk alone
  // May wait for others too, who wait for nobody here. Where there are tenants, each has some.
  static constexpr size_t kWaiting = 8;
  static constexpr size_t kWaitingOfEach = 2;
  TenantLanes lanes_;
  boost::asio::thread_pool waiting_{kWaiting};
  boost::asio::steady_timer sweep_{pool_};
};

}  // namespace quire
