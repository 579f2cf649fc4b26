// session/session.h -- a conversation as it is kept: a log of token ids and what goes on with it.
//
// Plain values. Times are milliseconds since 1970.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/token_id.h"

namespace quire {

enum class SessionKind : uint8_t {
  kSession = 0,
  kResponse = 1,
  kArriving = 2  // a copy of one that another server still owns: nobody sees it
};

// Whose sessions, and of which sort. An id means something only within one.
struct SessionSpace {
  std::string tenant;
  uint64_t generation = 0;  // of the tenant's key: what was kept under another one is not found
  SessionKind kind = SessionKind::kSession;
};

// A window over an endless log. All zero: an ordinary session.
struct StreamWindow {
  uint32_t sink_tokens = 0;     // from the start, never dropped
  uint32_t window_tokens = 0;   // in all; when they are full, the last half goes on
  uint32_t summary_tokens = 0;  // the model's own words on what is dropped: at most; 0: none
  std::string summary_prompt;   // what it is asked for them
  bool operator==(const StreamWindow&) const = default;
};

// Places [begin, end) in a log.
struct LogSpan {
  uint32_t begin = 0;
  uint32_t end = 0;
  bool operator==(const LogSpan&) const = default;
};

// What changes with the log and is kept sealed with it.
struct SessionState {
  std::string model;                   // name and vocabulary the ids are of
  std::string vocabulary;              // digest
  uint64_t seed = 0;                   // of the sampler; its position is the length of the log
  uint32_t answer_tokens = 0;          // at the end of the log: chosen since the last append
  std::vector<TokenId> opening;        // what the chat template puts before an answer to a message
  std::vector<uint32_t> message_ends;  // length of the log after each message; equal: unknown
  std::string settings;                // JSON: sampling fields for every answer
  std::string text;                    // JSON, of a response: the conversation
  StreamWindow stream;
  uint64_t dropped_tokens = 0;  // of a stream, so far
  uint64_t rebases = 0;         // how often it began anew
  std::vector<LogSpan> kept;    // of a stream, never dropped; in order, apart
  LogSpan summary;              // of a stream: what the model wrote when it began anew
  // What it has written for the next time, ahead of need, once it has been asked: maybe nothing.
  std::vector<TokenId> next_summary;
  bool summarised = false;  // it has been asked
  bool operator==(const SessionState&) const = default;
};

struct Session {
  std::string id;
  uint64_t version = 0;  // grows with every change
  uint64_t epoch = 0;    // grows when another server takes it over
  std::string moved_to;  // where it lives now; empty: here
  // The session that it is a fork of, as long as that is here; empty: none.
  std::string forked_from;
  int64_t created_ms = 0;
  int64_t used_ms = 0;
  uint32_t ttl_seconds = 0;  // after its last use it is gone; 0: never
  int64_t pinned_until_ms = 0;
  uint32_t tokens = 0;  // length of the log
  SessionState state;
};

// As bytes (docs/formats.md). Nothing more than `bytes` is ever read; kCorrupt if they are no
// state.
std::string EncodeState(const SessionState& state);
Result<SessionState> DecodeState(std::string_view bytes);

// What the parts of a state must have in common with a log of `tokens` ids; kCorrupt with the part.
Status CheckState(const SessionState& state, uint64_t tokens);

// kMoved, with the address, for one that lives elsewhere now.
Status CheckHere(const Session& session);

// Letters, digits, '.', '_', '-'; 1 to 64 of them, the first no '.'. kInvalidArgument.
Status CheckSessionId(std::string_view id);

}  // namespace quire
