// server/peers/peers.h -- /v1/peer: what other servers ask of this one, and what it asks of them.
//
//   POST /v1/peer/ACTION   sealed question -> sealed answer (peer_seal.h)
//
//   hello                                  peer_sight.h
//   offer, arrived                         handoff_receiver.h
//   pull, blocks, claim, resolve, settle   handoff_sender.h
//
// An offer is answered when the session has been taken, so whoever takes and whoever hands over
// wait for each other: each of the two has threads of its own, and what is asked meanwhile others.
//
// Threads  the I/O thread; the work runs in pools.
// Bounds   those of sender and receiver; beyond them a peer is told so.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/exchange.h"
#include "server/peers/handoff_metrics.h"
#include "server/peers/handoff_receiver.h"
#include "server/peers/handoff_sender.h"
#include "server/peers/peer_seal.h"
#include "server/peers/peer_sight.h"
#include "server/ready_model.h"
#include "server/sessions/session_call.h"
#include "server/tenants/tenant_directory.h"

namespace quire {

class Peers {
 public:
  Peers(PeerDirectory directory, std::shared_ptr<SessionStore> store,
        std::function<void(std::string_view)> log);
  ~Peers();

  struct Context {
    std::shared_ptr<const ReadyModel> model;
    const TenantDirectory& tenants;
    bool draining = false;
  };
  // Answers a request whose path is below /v1/peer/.
  boost::asio::awaitable<void> Handle(Exchange& exchange, Context context);

  // GET /v1/peers.
  boost::asio::awaitable<void> List(Exchange& exchange);

  // POST .../handoff: the body of the answer. Nobody else may write to the session meanwhile.
  boost::asio::awaitable<Result<std::string>> HandOff(const SessionCall& call);

  // Asks the other server about a session of which it is not settled whose it is, and waits for
  // it. No error: nothing is in doubt any more. kPeer: it says nothing; kConflict: a hand-off is
  // under way here.
  Status SettleNow(const SessionSpace& space, const std::string& id);

  std::vector<prometheus::MetricFamily> Collect() const { return metrics_.Collect(); }

 private:
  struct Incoming {
    OpenQuestion question;
    std::string action;
    HandoffReceiver::Hosts hosts;
  };
  Result<std::string> Answer(const Incoming& incoming);
  Result<std::string> HandOffNow(const SessionCall& call);
  Result<std::string> Take(const Incoming& incoming);
  void Settle();
  void SettleLater(int64_t wait_seconds);

  const PeerDirectory directory_;
  const std::shared_ptr<SessionStore> store_;
  const std::function<void(std::string_view)> log_;
  const std::unique_ptr<PeerLink> link_;
  HandoffMetrics metrics_;
  HandoffSender sender_;
  HandoffReceiver receiver_;
  PeerSight sight_;
  boost::asio::thread_pool handing_{4};    // waits for receivers
  boost::asio::thread_pool taking_{4};     // waits for owners
  boost::asio::thread_pool answering_{3};  // waits for nobody but the engine and the disk
  boost::asio::thread_pool looking_{1};    // waits for peers to say hello
  boost::asio::thread_pool settling_{1};
  boost::asio::steady_timer settle_{settling_};
  uint64_t told_in_doubt_ = 0;  // the log was; of settling_'s thread
};

}  // namespace quire
