// server/sessions/session_json.h -- sessions as clients see them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/openai/json_writer.h"
#include "session/session.h"

namespace quire {

// All fields, into an object that is open.
void WriteSessionFields(const Session& session, JsonWriter& json);
std::string SessionJson(const Session& session);
// What a stream session dropped so far; into an object that is open.
void WriteDropped(const SessionState& state, JsonWriter& json);

}  // namespace quire
