// server/sessions/session_call.h -- one request about sessions, as the work on it sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/ledger/ledger_entry.h"
#include "server/ready_model.h"
#include "server/sessions/ahead_reads.h"
#include "server/sessions/stop_signal.h"
#include "session/session_store.h"

namespace quire {

class Peers;

struct SessionCall {
  SessionStore& store;
  std::shared_ptr<const ReadyModel> model;
  SessionSpace space;
  std::string id = {};  // of the session; empty for what concerns none
  std::string query = {};
  std::string body = {};
  std::string request_id = {};
  LedgerEntryPtr entry = {};     // of a request that computes; null: of none
  std::string signing_key = {};  // of exports of this tenant
  int64_t now_ms = 0;
  uint64_t most_file_bytes = 0;  // of an export: as much as may be sent back
  std::shared_ptr<AheadReads> reads = {};
  Peers* peers = nullptr;  // null: there are none
  // Nobody waits for the answer any more: the client has left, or the server is being stopped.
  std::shared_ptr<StopSignal> stop = std::make_shared<StopSignal>();
};

// "?force=true": the operator's word that the server which does not answer is gone for good.
bool IsForced(const SessionCall& call);

// Names the session among those of all tenants.
std::string NameOf(const SessionSpace& space, const std::string& id);

// Names the pins of a session to the engine.
uint64_t PinGroupOf(const SessionSpace& space, const std::string& id);

}  // namespace quire
