// server/peers/peer_rounds.h -- when a peer is asked about what is not settled with it.
//
//   asked at once --silent, or all was asked in vain--> left alone for kFirstMs, then for twice as
//   long each time, up to kLongestMs --it speaks, or something was settled--> asked at once
//
// Each round asks for one page, which begins behind the one before, so everything has its turn
// however much there is before it; and a peer that is gone costs the others one question a round.
//
// Threads  any.
// Bounds   one entry per peer that is configured.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace quire {

class PeerRounds {
 public:
  static constexpr int64_t kFirstMs = 1000;
  static constexpr int64_t kLongestMs = 60'000;
  static constexpr uint32_t kPage = 32;  // hand-offs asked for in one round

  // Behind which hand-off to go on; nothing while the peer is left alone. `now_ms` may jump.
  std::optional<std::string> Begin(const std::string& peer, int64_t now_ms);

  struct Round {
    std::string last = {};  // hand-off that was asked for, or passed over
    bool at_end = false;    // there is none behind it
    uint32_t asked = 0;
    uint32_t settled = 0;  // of those
    bool silent = false;   // the last one got no answer
  };
  void End(const std::string& peer, const Round& round, int64_t now_ms);

  // The peer has asked something: it is there.
  void Heard(const std::string& peer);

 private:
  struct State {
    std::string after;
    uint32_t asked = 0;  // since it began from the front
    uint32_t settled = 0;
    int64_t pause_ms = 0;  // 0: none
    int64_t until_ms = 0;
    bool silent = false;
  };
  static void Pause(State& state, int64_t now_ms);

  std::mutex mutex_;
  std::map<std::string, State> states_;
};

}  // namespace quire
