// server/sessions/session_call.h -- one request about sessions, as the work on it sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/ledger/ledger_entry.h"
#include "server/ready_model.h"
#include "session/session_store.h"

namespace quire {

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
};

// Names the pins of a session to the engine.
uint64_t PinGroupOf(const SessionSpace& space, const std::string& id);

}  // namespace quire
