#include "server/peers/handoff_sender.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/transfer/kv_courier.h"
#include "session/seal.h"
#include "session/session_file.h"

namespace quire {
namespace {

// A receiver stops fetching KV long before.
constexpr auto kOfferPatience = std::chrono::seconds(90);
constexpr auto kAskPatience = std::chrono::seconds(10);

std::unexpected<Error> Closed() {
  return Refuse(ErrorCode::kNotFound, "this hand-off is over, or was never offered to you");
}

BlockName NameOf(const std::string& bytes) {
  BlockName name;
  std::memcpy(name.bytes.data(), bytes.data(), name.bytes.size());
  return name;
}

}  // namespace

std::string KvWayOf(const Peer& peer) { return SignatureOf(peer.secret, "KV between peers"); }

Result<std::string> HandoffSender::Open(Offer offer) {
  std::string handoff(kHandoffIdBytes, '\0');
  randombytes_buf(handoff.data(), handoff.size());
  const std::lock_guard lock(mutex_);
  if (offers_.size() >= kMostOffers) {
    Error busy{ErrorCode::kOverloaded,
               fmt::format("{} sessions are being handed over; try again", kMostOffers),
               {}};
    busy.retry_after_seconds = 1;
    return std::unexpected(std::move(busy));
  }
  offers_.emplace(handoff, std::move(offer));
  return handoff;
}

bool HandoffSender::Close(const std::string& handoff) {
  const std::lock_guard lock(mutex_);
  const auto found = offers_.find(handoff);
  const bool departed = found != offers_.end() && found->second.departed;
  if (found != offers_.end()) offers_.erase(found);
  return departed;
}

Result<HandoffSender::Offer> HandoffSender::Find(const Peer& from, const std::string& handoff) {
  const std::lock_guard lock(mutex_);
  const auto found = offers_.find(handoff);
  if (found == offers_.end() || found->second.to.name != from.name) return Closed();
  return found->second;
}

Result<HandoffSender::Outcome> HandoffSender::HandOff(const SessionSpace& space,
                                                      const std::string& id, const Peer& to,
                                                      KvCourier* courier) {
  QUIRE_TRY(const Session session, store_.Get(space, id, clock_()));
  if (Status here = CheckHere(session); !here) return std::unexpected(here.error());
  Offer offer{.space = space, .id = id, .to = to, .courier = courier, .chain = nullptr};
  QUIRE_TRY(const std::string handoff, Open(std::move(offer)));
  auto answer =
      link_.Ask(to, "offer", Encode(OfferMessage{handoff, space.tenant, id}), kOfferPatience);
  if (answer && answer->refusal) {  // it speaks of what is there
    answer->refusal->message = fmt::format("'{}' refuses: {}", to.name, answer->refusal->message);
  }
  const bool departed = Close(handoff);
  QUIRE_TRY(Outcome outcome, Judge(handoff, departed, space, id, answer));
  outcome.tokens = session.tokens;
  return outcome;
}

// What we have written down counts, whatever the receiver said or did not say. If it has departed
// and is written down no more, the receiver has already said that it came.
Result<HandoffSender::Outcome> HandoffSender::Judge(const std::string& handoff, bool departed,
                                                    const SessionSpace& space,
                                                    const std::string& id,
                                                    const Result<PeerAnswer>& answer) {
  QUIRE_TRY(const bool unsettled, store_.HasDeparted(handoff));
  if (!departed && !unsettled) {
    if (!answer) return std::unexpected(answer.error());
    if (answer->refusal) return std::unexpected(*answer->refusal);
    return Refuse(ErrorCode::kPeer, "the peer says that it has the session, but never claimed it");
  }
  Outcome outcome;
  outcome.settled = !unsettled;
  if (answer && !answer->refusal) {
    const auto taken = DecodeTaken(answer->body);
    if (taken) outcome.kv = taken->kv;
    outcome.settled = store_.Settle(handoff, clock_()).has_value();
  }
  QUIRE_TRY(outcome.session, store_.Get(space, id, clock_()));
  return outcome;
}

Status HandoffSender::AskArrived(const Peer& to, const SessionStore::Departed& departed) {
  const auto& [handoff, peer, tenant, id, epoch] = departed;
  QUIRE_TRY(
      const PeerAnswer answer,
      link_.Ask(to, "arrived", Encode(ArrivedMessage{handoff, tenant, id, epoch}), kAskPatience));
  if (answer.refusal) return std::unexpected(*answer.refusal);
  return store_.Settle(handoff, clock_());
}

Status HandoffSender::SettleNow(const PeerDirectory& peers,
                                const SessionStore::Departed& departed) {
  const Peer* to = peers.Find(departed.peer);
  if (to != nullptr) return AskArrived(*to, departed);
  return Refuse(ErrorCode::kPeer,
                fmt::format("'{}' is not among the peers of this server", departed.peer));
}

void HandoffSender::SettleDeparted(const PeerDirectory& peers) {
  for (const Peer& peer : peers.peers()) SettleWith(peer);
}

void HandoffSender::SettleWith(const Peer& peer) {
  const auto after = rounds_.Begin(peer.name, clock_());
  if (!after) return;
  const auto page = store_.Departures({peer.name, *after, PeerRounds::kPage});
  if (!page) return;
  PeerRounds::Round round{.at_end = page->size() < PeerRounds::kPage};
  for (const SessionStore::Departed& one : *page) {
    round.last = one.handoff;
    {
      const std::lock_guard lock(mutex_);
      if (offers_.contains(one.handoff)) continue;
    }
    const Status settled = AskArrived(peer, one);
    round.asked += 1;
    round.settled += settled.has_value();
    round.silent = !settled && settled.error().code == ErrorCode::kPeer;
    if (round.silent) break;
  }
  round.at_end = round.at_end && (page->empty() || round.last == page->back().handoff);
  rounds_.End(peer.name, round, clock_());
}

Result<std::string> HandoffSender::Pull(const Peer& from, std::string_view body) {
  const std::string handoff(body);
  QUIRE_TRY(Offer offer, Find(from, handoff));
  QUIRE_TRY(const auto content, store_.Read(offer.space, offer.id, clock_()));
  PulledMessage pulled;
  QUIRE_TRY(pulled.origin, store_.StoreId());
  if (offer.courier != nullptr) {
    offer.chain = offer.courier->Chain(offer.space.tenant, content.tokens);
  }
  if (offer.chain != nullptr) pulled.kv = offer.chain->identity;
  pulled.file = WriteSessionFile(content, KvWayOf(from));
  const std::lock_guard lock(mutex_);
  const auto found = offers_.find(handoff);
  if (found == offers_.end()) return Closed();
  found->second.version = content.session.version;
  found->second.chain = std::move(offer.chain);
  return Encode(pulled);
}

std::string HandoffSender::Blocks(const Peer& from, std::string_view body) {
  const auto wanted = DecodeBlocks(body);
  if (!wanted || wanted->names.empty()) return {};
  const auto offer = Find(from, wanted->handoff);
  if (!offer || offer->chain == nullptr) return {};
  const auto& names = offer->chain->block_names;
  const auto found = std::ranges::find(names, NameOf(wanted->names.front()));
  uint32_t count = 0;
  for (auto name = found; name != names.end() && count < wanted->names.size(); ++name, ++count) {
    if (*name != NameOf(wanted->names[count])) break;
  }
  if (count == 0) return {};
  return offer->courier->Collect(offer->chain, static_cast<uint32_t>(found - names.begin()), count,
                                 KvWayOf(from), wanted->aes);
}

Result<std::string> HandoffSender::Claim(const Peer& from, std::string_view body) {
  const std::string handoff(body);
  const std::lock_guard lock(mutex_);
  // A claim may come twice, and the second after the offer is closed.
  QUIRE_TRY(const bool departed, store_.HasDeparted(handoff));
  if (departed) return std::string();
  const auto found = offers_.find(handoff);
  if (found == offers_.end() || found->second.to.name != from.name) return Closed();
  Offer& offer = found->second;
  if (offer.departed) return std::string();
  const auto session = store_.Depart(
      offer.space, offer.id, {handoff, offer.to.name, offer.version, offer.to.url}, clock_());
  if (!session) {
    offers_.erase(found);  // the receiver forgets it now: no second claim may succeed
    return std::unexpected(session.error());
  }
  offer.departed = true;
  return std::string();
}

Result<std::string> HandoffSender::Resolve(const Peer& from, std::string_view body) {
  QUIRE_TRY(const ResolveMessage asked, DecodeResolve(body));
  const std::lock_guard lock(mutex_);
  const auto found = offers_.find(asked.handoff);
  if (found != offers_.end() && found->second.to.name != from.name) return Closed();
  QUIRE_TRY(const bool departed, store_.HasDeparted(asked.handoff));
  QUIRE_TRY(const std::string origin, store_.StoreId());
  const Fate fate = departed ? Fate::kMoved : origin == asked.origin ? Fate::kKept : Fate::kLost;
  if (fate == Fate::kKept) offers_.erase(asked.handoff);
  std::string answer(1, static_cast<char>(fate));
  return answer;
}

Result<std::string> HandoffSender::Settle(const Peer&, std::string_view body) {
  const Status settled = store_.Settle(std::string(body), clock_());
  if (!settled) return std::unexpected(settled.error());
  return std::string();
}

}  // namespace quire
