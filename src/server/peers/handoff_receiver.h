// server/peers/handoff_receiver.h -- takes sessions from peers: the side that will own them.
//
//   offered --Pull, Stage--> staged --KV--> --Claim--> ours
//                               \--(no answer)--> in doubt --Resolve--> ours, or forgotten
//
// A staged session is on the disk and nobody sees it. It becomes ours only by the owner's word that
// it has given it away. If that word does not come, because either of us died or the network did,
// the owner is asked until it answers, by Settle, which a restart begins with; until then the
// session is kUnavailable here. An owner that asks whether it has come has given it away.
//
// Threads  any; Settle: one at a time.
// Bounds   kMostTaking hand-offs at once; KV for Hosts::kv_patience in all, then what is not here
// is
//          computed; kLanes parcels at once. Questions: peer_rounds.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/transfer/kv_courier.h"
#include "server/peers/handoff_messages.h"
#include "server/peers/peer_link.h"
#include "server/peers/peer_rounds.h"
#include "session/session_file.h"
#include "session/session_store.h"

namespace quire {

class HandoffReceiver {
 public:
  static constexpr size_t kMostTaking = 4;

  // All outlive it.
  HandoffReceiver(SessionStore& store, PeerLink& link, const PeerDirectory& peers,
                  std::function<int64_t()> clock)
      : store_(store), link_(link), peers_(peers), clock_(std::move(clock)) {}

  struct Hosts {
    // Where sessions of a tenant go; an error if there is no such tenant here.
    std::function<Result<SessionSpace>(const std::string& tenant)> space_of;
    // What comes, checked as if a client had sent it.
    std::function<Result<SessionStore::Draft>(const SessionSpace&, ReadSession)> check;
    KvCourier* courier = nullptr;  // null: KV is not taken
    std::chrono::milliseconds kv_patience = std::chrono::seconds(20);
  };
  // Answers an offer. Refused, nothing is left of it, or it is in doubt, and the message says so.
  // `report`, if given, is told what became of the KV.
  Result<std::string> Take(const Peer& from, std::string_view body, const Hosts& hosts,
                           KvReport* report = nullptr);

  // An owner that was asks whether it has come: an error, unless it is ours or was.
  Result<std::string> Arrived(const Peer& from, std::string_view body);

  // Asks for the fate of what is in doubt, each peer about some, unless it is to be left alone.
  void Settle();
  void Heard(const Peer& from) { rounds_.Heard(from.name); }
  // Asks now, of one. kNotFound: it stays where it is.
  Result<Session> SettleNow(const SessionStore::Arrival& arrival);
  bool IsTaking(const std::string& handoff);

 private:
  class Taking;

  Result<SessionStore::Arrival> Stage(const Peer& from, const OfferMessage& offer,
                                      const Hosts& hosts, KvIdentity& kv,
                                      std::vector<TokenId>& tokens);
  Result<Session> Claim(const Peer& from, const SessionStore::Arrival& arrival);
  void SettleWith(const Peer& peer);
  // Ours, discarded (kNotFound), or in doubt (kPeer).
  Result<Session> Resolve(const Peer& from, const SessionStore::Arrival& arrival);

  SessionStore& store_;
  PeerLink& link_;
  const PeerDirectory& peers_;
  const std::function<int64_t()> clock_;
  PeerRounds rounds_;
  std::mutex mutex_;
  std::set<std::string> taking_;  // hand-offs under way
};

// Fetches what of `chain` is not here, from the peer that owns the session.
KvReport FetchKv(PeerLink& link, const Peer& from, const std::string& handoff,
                 const KvChainPtr& chain, KvCourier& courier, KvCourier::Deadline until);

}  // namespace quire
