#include "server/peers/handoff_receiver.h"

#include <fmt/format.h>

#include <utility>

#include "engine/transfer/kv_courier.h"
#include "server/peers/handoff_sender.h"

namespace quire {
namespace {

constexpr auto kPullPatience = std::chrono::seconds(30);
constexpr auto kClaimPatience = std::chrono::seconds(10);

// Why KV of theirs is of no use here; empty: it is.
std::string DifferenceOf(const KvIdentity& ours, const KvIdentity& theirs) {
  if (theirs.model.empty()) return "the peer keeps no KV of it";
  if (ours.model != theirs.model) return "the two serve different models";
  if (ours.format != theirs.format) return "the two keep KV in different formats";
  if (ours.numerics != theirs.numerics) return "the two have different versions of the numerics";
  if (ours.scope != theirs.scope) {
    return "the two have different master keys, or different generations of the tenant";
  }
  return "";
}

Error InDoubt(const std::string& peer, const std::string& why) {
  return {
      ErrorCode::kPeer,
      fmt::format("'{}' has not said whose the session is ({}); it will be settled as soon as it "
                  "does",
                  peer, why),
      {}};
}

KvReport TakeKv(PeerLink& link, const Peer& from, const SessionStore::Arrival& arrival,
                const KvIdentity& theirs, const std::vector<TokenId>& tokens,
                const HandoffReceiver::Hosts& hosts) {
  const auto until = std::chrono::steady_clock::now() + hosts.kv_patience;
  KvReport report;
  if (hosts.courier == nullptr) {
    report.why = "KV is not taken here";
    return report;
  }
  const KvChainPtr chain = hosts.courier->Chain(arrival.space.tenant, tokens, until);
  if (chain == nullptr) {
    report.why = InWords(PlaceFlaw::kNoAnswer);
    return report;
  }
  report.blocks = chain->num_blocks();
  report.why = DifferenceOf(chain->identity, theirs);
  if (!report.why.empty()) return report;
  return FetchKv(link, from, arrival.handoff, chain, *hosts.courier, until);
}

}  // namespace

// One of those under way, while it lives.
class HandoffReceiver::Taking {
 public:
  Taking(HandoffReceiver& receiver, const std::string& handoff) : receiver_(receiver) {
    const std::lock_guard lock(receiver_.mutex_);
    if (receiver_.taking_.size() >= kMostTaking && !receiver_.taking_.contains(handoff)) {
      full_ = true;
      return;
    }
    std::tie(place_, taken_) = receiver_.taking_.insert(handoff);
  }
  ~Taking() {
    const std::lock_guard lock(receiver_.mutex_);
    if (taken_) receiver_.taking_.erase(place_);
  }
  Taking(const Taking&) = delete;
  Taking& operator=(const Taking&) = delete;
  // An error says why not: there are too many, or it is under way already.
  Status taken() const {
    if (taken_) return {};
    if (!full_) return Refuse(ErrorCode::kConflict, "the peer is taking this session already");
    Error busy{ErrorCode::kOverloaded,
               fmt::format("the peer is taking {} sessions already; try again", kMostTaking),
               {}};
    busy.retry_after_seconds = 1;
    return std::unexpected(std::move(busy));
  }

 private:
  HandoffReceiver& receiver_;
  std::set<std::string>::iterator place_;
  bool taken_ = false;
  bool full_ = false;
};

Result<std::string> HandoffReceiver::Take(const Peer& from, std::string_view body,
                                          const Hosts& hosts, KvReport* report) {
  QUIRE_TRY(const OfferMessage offer, DecodeOffer(body));
  const Taking taking(*this, offer.handoff);
  if (Status taken = taking.taken(); !taken) return std::unexpected(std::move(taken.error()));
  KvIdentity theirs;
  std::vector<TokenId> tokens;
  QUIRE_TRY(const SessionStore::Arrival arrival, Stage(from, offer, hosts, theirs, tokens));
  TakenMessage taken;
  taken.kv = TakeKv(link_, from, arrival, theirs, tokens, hosts);
  if (report != nullptr) *report = taken.kv;
  QUIRE_TRY(const Session session, Claim(from, arrival));
  taken.epoch = session.epoch;
  taken.tokens = session.tokens;
  return Encode(taken);
}

Result<SessionStore::Arrival> HandoffReceiver::Stage(const Peer& from, const OfferMessage& offer,
                                                     const Hosts& hosts, KvIdentity& kv,
                                                     std::vector<TokenId>& tokens) {
  QUIRE_TRY(const SessionSpace space, hosts.space_of(offer.tenant));
  QUIRE_TRY(PeerAnswer answer, link_.Ask(from, "pull", offer.handoff, kPullPatience));
  if (answer.refusal) return std::unexpected(*std::move(answer.refusal));
  QUIRE_TRY(PulledMessage pulled, DecodePulled(answer.body));
  QUIRE_TRY(ReadSession read, ReadSessionFile(pulled.file, KvWayOf(from)));
  if (read.content.session.id != offer.id) {
    return Refuse(ErrorCode::kPeer, "the peer sent another session than it offered");
  }
  QUIRE_TRY(SessionStore::Draft draft, hosts.check(space, std::move(read)));
  SessionStore::Arrival arrival{.handoff = offer.handoff,
                                .peer = from.name,
                                .origin = std::move(pulled.origin),
                                .space = space,
                                .id = offer.id};
  if (const Status staged = store_.Stage(arrival, draft, clock_()); !staged) {
    return std::unexpected(staged.error());
  }
  kv = std::move(pulled.kv);
  tokens = std::move(draft.tokens);
  return arrival;
}

Result<Session> HandoffReceiver::Claim(const Peer& from, const SessionStore::Arrival& arrival) {
  const auto answer = link_.Ask(from, "claim", arrival.handoff, kClaimPatience);
  if (!answer) return Resolve(from, arrival);
  if (!answer->refusal) return store_.Activate(arrival.handoff, from.name, clock_());
  if (const Status gone = store_.Discard(arrival.handoff); !gone) {
    return std::unexpected(gone.error());
  }
  return std::unexpected(*answer->refusal);
}

Result<Session> HandoffReceiver::Resolve(const Peer& from, const SessionStore::Arrival& arrival) {
  const std::string question = Encode(ResolveMessage{arrival.handoff, arrival.origin});
  const auto answer = link_.Ask(from, "resolve", question, kClaimPatience);
  if (!answer) return std::unexpected(InDoubt(from.name, answer.error().message));
  if (answer->refusal) return std::unexpected(InDoubt(from.name, answer->refusal->message));
  const Fate fate = answer->body.size() == 1 ? Fate(answer->body.front()) : Fate();
  if (fate == Fate::kMoved || fate == Fate::kLost) {
    QUIRE_TRY(Session session, store_.Activate(arrival.handoff, from.name, clock_()));
    (void)link_.Ask(from, "settle", arrival.handoff, kClaimPatience);  // only frees space there
    return session;
  }
  if (fate != Fate::kKept) {
    return std::unexpected(InDoubt(from.name, "its answer cannot be read"));
  }
  if (const Status gone = store_.Discard(arrival.handoff); !gone) {
    return std::unexpected(gone.error());
  }
  return Refuse(ErrorCode::kNotFound, "the hand-off was broken off; the session stays where it is");
}

bool HandoffReceiver::IsTaking(const std::string& handoff) {
  const std::lock_guard lock(mutex_);
  return taking_.contains(handoff);
}

// Only who has given a session away asks, so one that is still in doubt here is ours by that.
Result<std::string> HandoffReceiver::Arrived(const Peer& from, std::string_view body) {
  QUIRE_TRY(const ArrivedMessage asked, DecodeArrived(body));
  if (IsTaking(asked.handoff)) {
    return Refuse(ErrorCode::kUnavailable, "the session is still on its way");
  }
  if (store_.Activate(asked.handoff, from.name, clock_())) return std::string();
  QUIRE_TRY(const bool arrived, store_.HasArrived(asked.handoff));
  if (arrived) return std::string();
  QUIRE_TRY(const bool been, store_.HasBeen(asked.tenant, asked.id, asked.epoch));
  if (been) return std::string();
  return Refuse(ErrorCode::kNotFound, "no such session has come");
}

Result<Session> HandoffReceiver::SettleNow(const SessionStore::Arrival& arrival) {
  const Peer* from = peers_.Find(arrival.peer);
  if (from != nullptr) return Resolve(*from, arrival);
  return std::unexpected(InDoubt(arrival.peer, "it is not among the peers of this server"));
}

void HandoffReceiver::Settle() {
  for (const Peer& peer : peers_.peers()) SettleWith(peer);
}

void HandoffReceiver::SettleWith(const Peer& peer) {
  const auto after = rounds_.Begin(peer.name, clock_());
  if (!after) return;
  const auto page = store_.Arrivals({peer.name, *after, PeerRounds::kPage});
  if (!page) return;
  PeerRounds::Round round{.at_end = page->size() < PeerRounds::kPage};
  for (const SessionStore::Arrival& arrival : *page) {
    round.last = arrival.handoff;
    if (IsTaking(arrival.handoff)) continue;
    const auto settled = Resolve(peer, arrival);
    round.asked += 1;
    round.silent = !settled && settled.error().code == ErrorCode::kPeer;
    round.settled += settled || settled.error().code == ErrorCode::kNotFound;
    if (round.silent) break;
  }
  round.at_end = round.at_end && (page->empty() || round.last == page->back().handoff);
  rounds_.End(peer.name, round, clock_());
}

}  // namespace quire
