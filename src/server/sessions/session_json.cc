#include "server/sessions/session_json.h"

#include <algorithm>

namespace quire {
namespace {

constexpr int64_t kMsPerSecond = 1000;

void WriteTime(std::string_view name, int64_t ms, JsonWriter& json) {
  json.Key(name);
  ms == 0 ? json.Null() : json.Number(ms / kMsPerSecond);
}

int64_t ExpiryOf(const Session& session) {
  if (session.ttl_seconds == 0) return 0;
  return std::max(session.used_ms + session.ttl_seconds * kMsPerSecond, session.pinned_until_ms);
}

}  // namespace

void WriteDropped(const SessionState& state, JsonWriter& json) {
  json.Field("dropped_tokens", state.dropped_tokens).Field("rebases", state.rebases);
}

void WriteSessionFields(const Session& session, JsonWriter& json) {
  const SessionState& state = session.state;
  json.Field("id", session.id).Field("object", "session");
  WriteTime("created", session.created_ms, json);
  WriteTime("last_used", session.used_ms, json);
  WriteTime("expires", ExpiryOf(session), json);
  WriteTime("pinned_until", session.pinned_until_ms, json);
  json.Field("tokens", session.tokens).Field("messages", state.message_ends.size());
  json.Field("model", state.model).Field("seed", static_cast<int64_t>(state.seed));
  json.Field("version", session.version).Field("epoch", session.epoch);
  json.Key("moved_to");
  session.moved_to.empty() ? json.Null() : json.String(session.moved_to);
  json.Key("forked_from");
  session.forked_from.empty() ? json.Null() : json.String(session.forked_from);
  json.Key("settings").Raw(state.settings.empty() ? "{}" : state.settings);
  json.Key("stream");
  if (state.stream == StreamWindow()) {
    json.Null();
  } else {
    json.BeginObject().Field("sink_tokens", state.stream.sink_tokens);
    json.Field("window_tokens", state.stream.window_tokens);
    json.Key("summary");
    if (state.stream.summary_tokens == 0) {
      json.Null();
    } else {
      json.BeginObject().Field("prompt", state.stream.summary_prompt);
      json.Field("max_tokens", state.stream.summary_tokens).EndObject();
    }
    uint64_t kept = 0;
    for (const LogSpan& span : state.kept) kept += span.end - span.begin;
    json.Field("kept_tokens", kept);
    json.Field("summary_tokens", state.summary.end - state.summary.begin);
    WriteDropped(state, json);
    json.EndObject();
  }
}

std::string SessionJson(const Session& session) {
  JsonWriter json;
  json.BeginObject();
  WriteSessionFields(session, json);
  json.EndObject();
  return json.Take();
}

}  // namespace quire
