#include "server/peers/peers.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <span>
#include <utility>

#include "base/spare_memory.h"
#include "engine/engine.h"
#include "engine/transfer/kv_parcel.h"
#include "server/openai/json_writer.h"
#include "server/parse_pool.h"
#include "server/service.h"
#include "server/sessions/session_fields.h"
#include "server/sessions/session_work.h"

namespace quire {

namespace asio = boost::asio;

namespace {

constexpr std::string_view kRoot = "/v1/peer/";
// How long to leave whom alone is decided per peer (peer_rounds.h).
constexpr int64_t kSettleSeconds = 1;

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string ReportJson(const SessionCall& call, const HandoffSender::Outcome& outcome) {
  const KvReport& kv = outcome.kv;
  JsonWriter json;
  json.BeginObject().Field("id", call.id).Field("object", "session.handoff");
  json.Field("moved_to", outcome.session.moved_to).Field("epoch", outcome.session.epoch);
  json.Field("tokens", outcome.tokens).Field("settled", outcome.settled);
  json.Key("kv").BeginObject().Field("blocks", kv.blocks).Field("held", kv.held);
  json.Field("asked", kv.asked).Field("sent", kv.taken).Field("bytes", kv.bytes).Key("recomputed");
  kv.why.empty() ? json.Null() : json.String(kv.why);
  json.EndObject().EndObject();
  return json.Take();
}

// Where sessions of a tenant go, as of now.
auto SpacesOf(const TenantDirectory& tenants) {
  return [tenants](const std::string& name) -> Result<SessionSpace> {
    SessionSpace space{name, 0, SessionKind::kSession};
    if (!tenants.needs_key() && name == Caller().tenant) return space;
    if (tenants.needs_key() && tenants.Contains(name)) {
      for (const Tenant& tenant : tenants.tenants()) {
        if (tenant.name == name) space.generation = tenant.generation;
      }
      return space;
    }
    return Refuse(ErrorCode::kPeer, "the peer has no tenant '" + name.substr(0, 64) +
                                        "'; add it to the tenants file there");
  };
}

}  // namespace

Peers::Peers(PeerDirectory directory, std::shared_ptr<SessionStore> store,
             std::function<void(std::string_view)> log)
    : directory_(std::move(directory)),
      store_(std::move(store)),
      log_(std::move(log)),
      link_(MakeHttpLink(directory_.own_name())),
      sender_(*store_, *link_, NowMs),
      receiver_(*store_, *link_, directory_, NowMs),
      sight_(directory_, *link_, NowMs) {
  SettleLater(0);
}

Peers::~Peers() {
  link_->Stop();
  for (asio::thread_pool* pool : {&settling_, &looking_, &handing_, &taking_, &answering_}) {
    pool->stop();  // whoever works finishes
    pool->join();
  }
}

void Peers::Settle() {
  receiver_.Settle();
  sender_.SettleDeparted(directory_);
  const auto doubts = store_->CountDoubts();
  if (!doubts) return;
  metrics_.InDoubt(*doubts);
  if (doubts->arriving > told_in_doubt_ && log_) {
    log_(fmt::format("{} sessions that came from peers wait for word from them", doubts->arriving));
  }
  told_in_doubt_ = doubts->arriving;
}

void Peers::SettleLater(int64_t wait_seconds) {
  settle_.expires_after(std::chrono::seconds(wait_seconds));
  settle_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const SparePermit permit(SpareUse::kAll);  // nobody would hear of a failure
    Settle();
    SettleLater(kSettleSeconds);
  });
}

Status Peers::SettleNow(const SessionSpace& space, const std::string& id) {
  QUIRE_TRY(const SessionStore::Doubt doubt, store_->DoubtOf(space, id));
  if (doubt.arrival && receiver_.IsTaking(doubt.arrival->handoff)) {
    return Refuse(ErrorCode::kConflict, "the session '" + id + "' is just being taken from '" +
                                            doubt.arrival->peer +
                                            "'; try again when that has ended");
  }
  if (doubt.arrival) {
    const auto settled = receiver_.SettleNow(*doubt.arrival);
    if (!settled && settled.error().code != ErrorCode::kNotFound) {
      return std::unexpected(settled.error());
    }
    return {};
  }
  if (!doubt.departure) return {};
  const Status settled = sender_.SettleNow(directory_, *doubt.departure);
  // A peer that is there and has no such session will not have it later.
  const bool answered = settled || settled.error().code == ErrorCode::kNotFound;
  return answered ? Status() : settled;
}

Result<std::string> Peers::Take(const Incoming& incoming) {
  KvReport report;
  auto taken =
      receiver_.Take(*incoming.question.from, incoming.question.body, incoming.hosts, &report);
  metrics_.Ended(HandoffDirection::kIn, taken ? nullptr : &taken.error(), true);
  metrics_.Kv(HandoffDirection::kIn, report.taken, report.bytes);
  return taken;
}

Result<std::string> Peers::Answer(const Incoming& incoming) {
  const Peer& from = *incoming.question.from;
  const std::string& body = incoming.question.body;
  sender_.Heard(from);
  receiver_.Heard(from);
  if (incoming.action == "hello") return std::string();
  if (incoming.action == "offer") return Take(incoming);
  if (incoming.action == "pull") return sender_.Pull(from, body);
  if (incoming.action == "claim") return sender_.Claim(from, body);
  if (incoming.action == "resolve") return sender_.Resolve(from, body);
  if (incoming.action == "arrived") return receiver_.Arrived(from, body);
  if (incoming.action == "settle") return sender_.Settle(from, body);
  return Refuse(ErrorCode::kUnsupported, "this server does not know what the peer asks for");
}

asio::awaitable<void> Peers::List(Exchange& exchange) {
  auto look = [&] { return PeersJson(sight_.Look()); };
  HttpResponse response;
  response.body = co_await RunIn(looking_, look);
  co_await exchange.Respond(std::move(response));
}

asio::awaitable<void> Peers::Handle(Exchange& exchange, Context context) {
  const HttpRequest& request = exchange.request();
  Incoming incoming;
  incoming.action = request.path.substr(kRoot.size());
  HttpResponse response;
  auto question = ReadQuestion(directory_, incoming.action, request.body);
  if (!question) {
    response = ToResponse(question.error(), 1);
    co_return co_await exchange.Respond(std::move(response));
  }
  incoming.question = *std::move(question);
  response.content_type = "application/octet-stream";
  if (incoming.action == "blocks") {
    auto collect = [&] { return sender_.Blocks(*incoming.question.from, incoming.question.body); };
    response.body = co_await RunIn(answering_, collect);
    const auto sent = std::as_bytes(std::span(response.body.data(), response.body.size()));
    metrics_.Kv(HandoffDirection::kOut, BlocksInParcel(sent), sent.size());
    co_return co_await exchange.Respond(std::move(response));
  }
  const bool offer = incoming.action == "offer";
  PeerAnswer answer;
  if (offer && context.draining) {
    answer.refusal = Error{ErrorCode::kUnavailable, "the peer is shutting down", {}};
  } else {
    if (offer) {
      incoming.hosts.space_of = SpacesOf(context.tenants);
      incoming.hosts.courier = &context.model->engine->courier();
      incoming.hosts.check = [model = context.model](const SessionSpace&, ReadSession read) {
        return CheckSessionFile(*model, std::move(read));
      };
    }
    auto work = [&] { return Answer(incoming); };
    auto done = co_await RunIn(offer ? taking_ : answering_, work);
    if (done) {
      answer.body = *std::move(done);
    } else {
      answer.refusal = std::move(done).error();
    }
  }
  const OpenQuestion& asked = incoming.question;
  response.body = SealAnswer(*asked.from, incoming.action, asked.mark, EncodeAnswer(answer));
  co_await exchange.Respond(std::move(response));
}

Result<std::string> Peers::HandOffNow(const SessionCall& call) {
  QUIRE_TRY(const std::string to, ParseHandoffTo(call.body));
  const Peer* peer = directory_.Find(to);
  if (peer == nullptr) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("there is no peer '{}'; configured are: {}", to.substr(0, 64),
                              directory_.Names()),
                  "to");
  }
  Engine& engine = *call.model->engine;
  const auto done = sender_.HandOff(call.space, call.id, *peer, &engine.courier());
  metrics_.Ended(HandoffDirection::kOut, done ? nullptr : &done.error(), done && done->settled);
  QUIRE_TRY(const auto outcome, done);
  call.reads->Forget(NameOf(call.space, call.id));
  engine.Unpin(PinGroupOf(call.space, call.id));
  return ReportJson(call, outcome);
}

asio::awaitable<Result<std::string>> Peers::HandOff(const SessionCall& call) {
  auto work = [&] { return HandOffNow(call); };
  co_return co_await RunIn(handing_, work);
}

}  // namespace quire
