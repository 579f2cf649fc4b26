// server/peers/peer_sight.h -- which peers answer, as of a moment ago.
//
// Each is asked `hello`. Whatever it says under the seal shows that it is there and has the secret;
// a refusal, too, as of a peer of a version that does not know the question.
//
// Threads  one at a time: whoever looks waits for the peers.
// Bounds   a look takes kLookMs in all; for kFreshMs after it nobody is asked again, so that who
//          asks this server often does not have it ask others often.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/peers/peer_directory.h"
#include "server/peers/peer_link.h"

namespace quire {

class PeerSight {
 public:
  static constexpr int64_t kLookMs = 3000;
  static constexpr int64_t kFreshMs = 1000;

  // `clock`: milliseconds; may jump.
  PeerSight(const PeerDirectory& peers, PeerLink& link, std::function<int64_t()> clock);

  struct Seen {
    std::string name;
    std::string url;
    std::string problem;  // why it does not answer; empty: it does
  };
  std::vector<Seen> Look();

 private:
  const PeerDirectory& peers_;
  PeerLink& link_;
  const std::function<int64_t()> clock_;
  std::vector<Seen> seen_;
  std::optional<int64_t> seen_at_;
};

// The body of GET /v1/peers.
std::string PeersJson(const std::vector<PeerSight::Seen>& peers);

}  // namespace quire
