#include "server/peers/peer_sight.h"

#include <algorithm>
#include <utility>

#include "server/openai/json_writer.h"

namespace quire {

PeerSight::PeerSight(const PeerDirectory& peers, PeerLink& link, std::function<int64_t()> clock)
    : peers_(peers), link_(link), clock_(std::move(clock)) {}

std::vector<PeerSight::Seen> PeerSight::Look() {
  const int64_t now = clock_();
  if (seen_at_ && now >= *seen_at_ && now - *seen_at_ < kFreshMs) return seen_;
  std::vector<Seen> seen;
  // Equal shares: one that is silent takes nothing from those after it.
  const auto patience = std::chrono::milliseconds(
      kLookMs / std::max<int64_t>(1, static_cast<int64_t>(peers_.peers().size())) + 1);
  for (const Peer& peer : peers_.peers()) {
    const auto answer = link_.Ask(peer, "hello", {}, patience);
    seen.push_back({peer.name, peer.url, answer ? std::string() : answer.error().message});
  }
  seen_ = std::move(seen);
  seen_at_ = clock_();
  return seen_;
}

std::string PeersJson(const std::vector<PeerSight::Seen>& peers) {
  JsonWriter json;
  json.BeginObject().Field("object", "list").Key("data").BeginArray();
  for (const PeerSight::Seen& peer : peers) {
    const bool answers = peer.problem.empty();
    json.BeginObject().Field("name", peer.name).Field("url", peer.url);
    json.Field("answers", answers).Key("problem");
    answers ? json.Null() : json.String(peer.problem);
    json.EndObject();
  }
  json.EndArray().EndObject();
  return json.Take();
}

}  // namespace quire
