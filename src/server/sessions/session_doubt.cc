// What ends a session, or its doubt: where another server should have the last word, it is asked
// first, and only if it says nothing an operator's word counts.
#include "engine/engine.h"
#include "server/http/http_message.h"
#include "server/peers/peers.h"
#include "server/sessions/session_json.h"
#include "server/sessions/session_work.h"

namespace quire {
namespace {

// No error: the other server was heard, or has no say.
Status AskPeer(const SessionCall& call) {
  if (call.peers != nullptr) return call.peers->SettleNow(call.space, call.id);
  QUIRE_TRY(const auto doubt, call.store.DoubtOf(call.space, call.id));
  if (!doubt.arrival && !doubt.departure) return {};
  const std::string& peer = doubt.arrival ? doubt.arrival->peer : doubt.departure->peer;
  return Refuse(ErrorCode::kPeer, "'" + peer +
                                      "' cannot be asked: this server has no peers; name "
                                      "them with --peer");
}

}  // namespace

bool IsForced(const SessionCall& call) {
  const auto forced = QueryValue(call.query, "force");
  return forced && *forced != "false" && *forced != "0";
}

Result<std::string> CloseSession(const SessionCall& call) {
  const bool forced = IsForced(call);
  if (forced) {
    const Status asked = AskPeer(call);
    const bool waits = !asked && asked.error().code == ErrorCode::kConflict;
    if (waits) return std::unexpected(asked.error());
  }
  const Status closed = forced ? call.store.EndInDoubt(call.space, call.id, call.now_ms)
                               : call.store.Close(call.space, call.id, call.now_ms);
  if (!closed) return std::unexpected(closed.error());
  call.reads->Forget(NameOf(call.space, call.id));
  call.model->engine->Unpin(PinGroupOf(call.space, call.id));
  JsonWriter json;
  json.BeginObject().Field("id", call.id).Field("object", "session").Field("deleted", true);
  json.EndObject();
  return json.Take();
}

Result<std::string> ReclaimSession(const SessionCall& call) {
  const Status asked = AskPeer(call);
  const bool silent = !asked && asked.error().code == ErrorCode::kPeer;
  if (!asked && !(silent && IsForced(call))) {
    Error error = asked.error();
    if (silent) {
      error.message +=
          "; if it is gone for good, say so with force=true, and the session is this "
          "server's";
    }
    return std::unexpected(std::move(error));
  }
  QUIRE_TRY(const Session session, call.store.Reclaim(call.space, call.id, call.now_ms));
  return SessionJson(session);
}

}  // namespace quire
