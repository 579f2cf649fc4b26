// server/dashboard/live_feed.h -- GET /v1/live: what the server is doing, once or some times a
// second, as server-sent events; or GET /v1/cache/tree, once.
//
// Watchers share what was looked up lately, so that many of them cost the engine little more than
// one. A step that is under way is waited for: a picture is of a moment between two.
//
// Threads  the I/O thread.
// Bounds   kMostWatchers at once, kMostOfTenant of one tenant; the next is told 429. A tree, which
//          is more to look at, is taken once a second for each tenant.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "server/dashboard/live_json.h"
#include "server/http/exchange.h"

namespace quire {

class LiveFeed {
 public:
  static constexpr size_t kMostWatchers = 64;
  static constexpr size_t kMostOfTenant = 16;

  struct Context {
    std::shared_ptr<Engine> engine;
    Caller caller;
    std::function<bool()> draining;  // then it ends, so that nobody waits for it
    // Whether its key still opens the door: tenants may change.
    std::function<bool()> welcome;
  };
  boost::asio::awaitable<void> Watch(Exchange& exchange, Context context);
  boost::asio::awaitable<void> ShowTree(Exchange& exchange, Context context);

 private:
  using Clock = std::chrono::steady_clock;
  class Seat;
  class Glance;

  // Null: the client has gone, or is to go.
  boost::asio::awaitable<std::shared_ptr<const LiveShot>> Take(Exchange& exchange,
                                                               const Context& context);
  boost::asio::awaitable<void> Stream(Exchange& exchange, Context context,
                                      std::chrono::milliseconds interval);
  void ForgetOldTrees();

  struct TreeShot {
    std::shared_ptr<const PrefixTree> tree;  // null: it is being taken
    Clock::time_point taken{};
  };
  std::map<std::string, size_t> watchers_;  // by tenant
  size_t num_watchers_ = 0;
  std::shared_ptr<const LiveShot> last_;
  Clock::time_point taken_{};
  using Trees = std::map<std::string, TreeShot>;
  Trees trees_;  // by tenant; of an admin's: all that is there
};

}  // namespace quire
