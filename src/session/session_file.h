// session/session_file.h -- a session as one file, to keep or to carry to another server.
//
// It holds the conversation in the clear: it is its owner's copy. A checksum finds every accident;
// a signature with a secret of the server tells whether the same installation wrote it for the
// same tenant. A file without a valid signature may be taken in too, as any text may be sent:
// nothing in it is trusted.
//
// Behind all that there may be KV: bytes that prove themselves, or are not used.
//
// Threads  pure functions. Errors  kInvalidArgument with what is wrong; hostile bytes cost time and
// memory linear in their number.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "session/session_store.h"

namespace quire {

// `room_for_kv`: KV may be appended to what is returned.
std::string WriteSessionFile(const SessionStore::Content& content, std::string_view signing_key,
                             bool room_for_kv = false);

struct ReadSession {
  SessionStore::Content content;
  bool is_signed = false;  // with this key
  size_t kv_at = 0;        // where in the file KV begins; its end, if there is none
};
Result<ReadSession> ReadSessionFile(std::string_view bytes, std::string_view signing_key);

}  // namespace quire
