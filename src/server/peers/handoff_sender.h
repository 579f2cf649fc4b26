// server/peers/handoff_sender.h -- gives sessions to peers: the side that owns them.
//
//   open --Claim--> departed --Settle, SettleDeparted--> forgotten
//     \---Close, Resolve---> closed: no claim is heard any more
//
// Whose a session is, is decided here, by the one transaction in Claim. Before it the session is
// ours and nothing has changed: a server that dies has handed over nothing. After it the session is
// the receiver's, which keeps a copy on its disk by then, and learns of it by the answer or, if
// that is lost, by asking again (Resolve). A claim is heard only while its hand-off is open, which
// no restart survives: so "kept", once said, stays true whatever else comes in late.
//
// Questions may be repeated, also late, and mean the same: a claim that was heard is heard again,
// and one that was refused closes the offer, since the receiver forgets the session then.
//
// Threads  any; SettleDeparted: one at a time.
// Bounds   kMostOffers hand-offs at once. Questions: peer_rounds.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/peers/handoff_messages.h"
#include "server/peers/peer_link.h"
#include "server/peers/peer_rounds.h"
#include "session/session_store.h"

namespace quire {

class KvCourier;

class HandoffSender {
 public:
  static constexpr size_t kMostOffers = 16;

  // All outlive it. `clock`: milliseconds since 1970.
  HandoffSender(SessionStore& store, PeerLink& link, std::function<int64_t()> clock)
      : store_(store), link_(link), clock_(std::move(clock)) {}

  struct Outcome {
    Session session;       // as it is here now: moved
    uint32_t tokens = 0;   // that it had
    bool settled = false;  // the receiver has said that it has it; else it will, when it is back
    KvReport kv;
  };
  // Hands a session over, and waits for what becomes of it. Refused, the session is ours and as it
  // was. Nobody else may be writing to it. `courier` null: without KV.
  Result<Outcome> HandOff(const SessionSpace& space, const std::string& id, const Peer& to,
                          KvCourier* courier);

  // Asks whether what has departed has arrived, where nobody has said so: each peer about some,
  // unless it is to be left alone.
  void SettleDeparted(const PeerDirectory& peers);
  void Heard(const Peer& from) { rounds_.Heard(from.name); }
  // Asks now, of one. kPeer: no answer; else what the peer refuses, and it has not come there.
  Status SettleNow(const PeerDirectory& peers, const SessionStore::Departed& departed);

  // What a peer asks during a hand-off to it.
  Result<std::string> Pull(const Peer& from, std::string_view body);
  std::string Blocks(const Peer& from,
                     std::string_view body);  // a parcel; empty: they are not here
  Result<std::string> Claim(const Peer& from, std::string_view body);
  Result<std::string> Resolve(const Peer& from, std::string_view body);
  Result<std::string> Settle(const Peer& from, std::string_view body);

 private:
  struct Offer {
    SessionSpace space;
    std::string id;
    Peer to;
    KvCourier* courier = nullptr;
    uint64_t version = 0;  // that was pulled; 0: none yet
    bool departed = false;
    KvChainPtr chain;
  };
  void SettleWith(const Peer& peer);
  Status AskArrived(const Peer& to, const SessionStore::Departed& departed);
  Result<std::string> Open(Offer offer);
  bool Close(const std::string& handoff);  // whether it has departed
  Result<Offer> Find(const Peer& from, const std::string& handoff);
  Result<Outcome> Judge(const std::string& handoff, bool departed, const SessionSpace& space,
                        const std::string& id, const Result<PeerAnswer>& answer);

  SessionStore& store_;
  PeerLink& link_;
  const std::function<int64_t()> clock_;
  PeerRounds rounds_;
  std::mutex mutex_;  // held while a claim is written, so that Close comes before it or after
  std::map<std::string, Offer> offers_;
};

// What KV between two servers is sealed with, beside the tenant's key.
std::string KvWayOf(const Peer& peer);

}  // namespace quire
