// server/sessions/session_fields.h -- the bodies of requests about sessions, checked.
//
// A field that nobody knows is refused: all of them say what is to happen to something that stays.
//
// Errors  kInvalidArgument and kUnsupported, naming the field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/openai/chat_request.h"
#include "server/openai/generation_fields.h"
#include "session/session.h"

namespace quire {

inline constexpr int64_t kMaxSessionTtlSeconds = int64_t{10} * 365 * 24 * 3600;

struct NewSession {
  std::string id;  // empty: to be drawn
  std::string model;
  uint32_t ttl_seconds = 0;
  std::optional<uint64_t> seed;
  Json settings = Json::object();
  StreamWindow stream;
};
Result<NewSession> ParseNewSession(const std::string& body);

struct Appended {
  std::optional<std::string> text;
  bool parse_special = false;
  bool keep = false;  // a stream session never drops it
  std::optional<std::vector<TokenId>> tokens;
  std::optional<ChatRequest> chat;
};
Result<Appended> ParseAppend(const std::string& body);

struct Truncation {
  std::optional<uint32_t> tokens;
  std::optional<uint32_t> messages;
};
Result<Truncation> ParseTruncation(const std::string& body);

Result<std::string> ParseForkId(const std::string& body);   // empty: to be drawn
Result<uint32_t> ParsePinSeconds(const std::string& body);  // from now

Result<std::string> ParseHandoffTo(const std::string& body);  // name of a peer

// An answer to be generated: the fields of a completion without a prompt, those of the session's
// settings where the body has none.
Result<GenerationFields> ParseSessionGeneration(const std::string& body,
                                                const std::string& settings);

}  // namespace quire
