// server/http/wake_up.h -- lets a coroutine sleep until something happened, also on other threads.
//
// Notifications do not add up: any number of them between two waits wake the sleeper once, so it
// must look at everything it waits for.
//
// Threads  all but the function from Remote() belong to the executor's one thread. That function
//          may be called by any thread at any time, even after the WakeUp is gone.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace quire {

class WakeUp {
 public:
  explicit WakeUp(boost::asio::any_io_executor executor);
  ~WakeUp();
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;

  void Notify();
  std::function<void()> Remote();

  // Returns at once if there was a Notify since the last wait; after `at_most` in any case.
  boost::asio::awaitable<void> Wait(std::chrono::milliseconds at_most);

 private:
  struct Link;
  boost::asio::steady_timer timer_;
  std::shared_ptr<Link> link_;
  bool notified_ = false;
};

}  // namespace quire
