// apps/top/feed_poller.h -- asks a server how it is, again and again, beside whoever shows it.
//
//   screen --Cancel--> [wishes, at most kMostWishes] --> poller thread --> server
//   screen <--Take---- [the latest of each kind]     <--
//
// Only the latest moment is kept: a screen that is slow misses some and never lags behind. A server
// that does not answer is asked again at every interval.
//
// Threads  Take, Cancel: the screen's. The poller's own ends with the object, at once.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "apps/client/server_caller.h"
#include "apps/top/view/live_state.h"

namespace quire {

// What there is to know of a server at once.
struct FeedNews {
  std::optional<LiveState> live;  // since the last Take
  std::optional<ServerFacts> facts;
  std::optional<std::map<std::string, uint64_t>> verdicts;
  std::optional<std::string> notice;  // what became of a Cancel; Printable
  bool answers = false;
  std::string trouble;  // why it does not; Printable
};

// Asks once, and waits; what cannot be had (a ledger) is left empty. The error is of /v1/live.
Result<FeedNews> AskOnce(const ServerCaller& caller);

class FeedPoller {
 public:
  static constexpr size_t kMostWishes = 16;

  FeedPoller(const ServerFlags& flags, std::chrono::milliseconds interval);
  ~FeedPoller();
  FeedPoller(const FeedPoller&) = delete;
  FeedPoller& operator=(const FeedPoller&) = delete;

  FeedNews Take();
  bool Cancel(uint64_t request);          // false: too many wait already
  int readable() const { return wake_; }  // a descriptor that is readable when there is news

 private:
  void Loop();
  void Ask();
  void AskSeldom(bool fresh);
  void Fulfil(uint64_t request);
  void Tell();
  bool ending();

  const std::chrono::milliseconds interval_;
  const ServerCaller caller_;
  const int wake_;  // eventfd
  std::chrono::steady_clock::time_point verdicts_at_{};
  std::mutex mutex_;
  std::condition_variable changed_;
  FeedNews news_;
  std::vector<uint64_t> wishes_;
  bool ending_ = false;
  std::thread thread_;  // last: uses all the others
};

}  // namespace quire
