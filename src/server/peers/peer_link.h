// server/peers/peer_link.h -- asks another server, and waits for what it says.
//
// Threads  any.
// Errors   kPeer: there is no answer that can be believed -- the question may have been heard
//          nevertheless. What a peer refuses is an answer.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/peers/peer_directory.h"

namespace quire {

struct PeerAnswer {
  std::string body;
  std::optional<Error> refusal;
};
std::string EncodeAnswer(const PeerAnswer& answer);
Result<PeerAnswer> DecodeAnswer(std::string_view bytes);

class PeerLink {
 public:
  virtual ~PeerLink() = default;
  virtual Result<PeerAnswer> Ask(const Peer& peer, std::string_view action, std::string_view body,
                                 std::chrono::milliseconds patience) = 0;
  // What comes back proves itself, and is as it was sent.
  virtual Result<std::string> Fetch(const Peer& peer, std::string_view action,
                                    std::string_view body, std::chrono::milliseconds patience) = 0;
  // Whoever waits is told that there is no answer, from now on.
  virtual void Stop() {}
};

// Over HTTP, to /v1/peer/ACTION. `own_name`: how this server calls itself.
std::unique_ptr<PeerLink> MakeHttpLink(std::string own_name);

}  // namespace quire
