// server/peers/peer_seal.h -- what two servers say to each other, so that nobody else can say or
// read it.
//
//   question = "QUIREPQ1" | text name of who asks | sealed body
//   answer   = sealed body, bound to the very question
//
// Both are sealed (session/seal.h) under keys of the secret that the two share. Whoever answers has
// shown that it has the secret, and so has whoever asked. A question that is sent again means the
// same as the first time (handoff_sender.h), so nothing keeps track of those that were seen.
//
// Threads  pure functions. No input is trusted.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/peers/peer_directory.h"

namespace quire {

struct SealedQuestion {
  std::string bytes;
  std::string mark;  // what the answer is bound to
};
SealedQuestion SealQuestion(const Peer& to, std::string_view own_name, std::string_view action,
                            std::string_view body);

struct OpenQuestion {
  const Peer* from = nullptr;  // of the directory
  std::string mark;
  std::string body;
};
// kUnauthorized, saying what both sides need, if nobody we know has sealed it.
Result<OpenQuestion> ReadQuestion(const PeerDirectory& peers, std::string_view action,
                                  std::string_view bytes);

std::string SealAnswer(const Peer& to, std::string_view action, std::string_view mark,
                       std::string_view body);
std::optional<std::string> ReadAnswer(const Peer& from, std::string_view action,
                                      std::string_view mark, std::string_view bytes);

}  // namespace quire
