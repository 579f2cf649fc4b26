// server/sessions/session_kv.h -- the KV of a session in the file that it is exported to.
//
// Parcels (engine/transfer/kv_parcel.h) one behind the other, from the first block on. They are
// sealed for the tenant they are of: another tenant, or a server with another master key, can take
// in the session, but none of its KV, and computes it.
//
// Threads  any, but the engine's. Errors  none: what is not there or not right is not used.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/token_id.h"
#include "server/openai/json_writer.h"
#include "server/sessions/session_call.h"

namespace quire {

// As much as is in memory or on disk, and fits into a body that could be sent back.
void AppendKv(const SessionCall& call, const std::vector<TokenId>& tokens, std::string& file);

struct ImportedKv {
  uint32_t blocks = 0;  // in the file
  uint32_t held = 0;    // of those, that were here
  uint32_t taken = 0;
  std::string why;  // not all of them were
};
// From what begins at `at` in the file.
ImportedKv TakeKv(const SessionCall& call, const std::vector<TokenId>& tokens, size_t at);
void WriteImportedKv(const ImportedKv& kv, JsonWriter& json);

}  // namespace quire
