#include "server/peers/peer_rounds.h"

#include <algorithm>

namespace quire {

std::optional<std::string> PeerRounds::Begin(const std::string& peer, int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  State& state = states_[peer];
  // A clock that was put back does not make the pause longer than it was.
  const int64_t left_ms = std::min(state.until_ms - now_ms, state.pause_ms);
  if (left_ms <= 0) return state.after;
  state.until_ms = now_ms + left_ms;
  return std::nullopt;
}

void PeerRounds::Pause(State& state, int64_t now_ms) {
  state.pause_ms = std::clamp(2 * state.pause_ms, kFirstMs, kLongestMs);
  state.until_ms = now_ms + state.pause_ms;
}

void PeerRounds::End(const std::string& peer, const Round& round, int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  State& state = states_[peer];
  state.after = round.at_end ? std::string() : round.last;
  state.asked += round.asked;
  state.settled += round.settled;
  state.silent = round.silent;
  if (round.settled > 0) state.pause_ms = 0;
  const bool in_vain = round.at_end && state.asked > 0 && state.settled == 0;
  if (round.silent || in_vain) Pause(state, now_ms);
  if (round.at_end || round.silent) state.asked = state.settled = 0;
}

void PeerRounds::Heard(const std::string& peer) {
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(peer);
  if (found == states_.end() || !found->second.silent) return;
  found->second.silent = false;
  found->second.pause_ms = 0;
  found->second.until_ms = 0;
}

}  // namespace quire
