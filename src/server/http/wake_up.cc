#include "server/http/wake_up.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <mutex>
#include <utility>

#include "base/spare_memory.h"

namespace quire {

namespace asio = boost::asio;

// What remote callers hold: the way to the sleeper while it lives.
struct WakeUp::Link {
  std::mutex mutex;
  asio::any_io_executor executor;
  WakeUp* sleeper = nullptr;  // guarded by mutex
  bool posted = false;        // guarded by mutex: a Notify is on its way already
};

WakeUp::WakeUp(asio::any_io_executor executor) : timer_(executor), link_(std::make_shared<Link>()) {
  link_->executor = std::move(executor);
  link_->sleeper = this;
}

WakeUp::~WakeUp() {
  const std::lock_guard lock(link_->mutex);
  link_->sleeper = nullptr;
}

void WakeUp::Notify() {
  notified_ = true;
  timer_.cancel();
}

std::function<void()> WakeUp::Remote() {
  return [link = link_] {
    const std::lock_guard lock(link->mutex);
    if (link->sleeper == nullptr || link->posted) return;
    const SparePermit permit(SpareUse::kAll);  // who is not woken hears of nothing
    asio::post(link->executor, [link] {
      // The sleeper dies on this thread only, so it cannot vanish after the lock is given back.
      WakeUp* sleeper = nullptr;
      {
        const std::lock_guard inner(link->mutex);
        link->posted = false;
        sleeper = link->sleeper;
      }
      if (sleeper != nullptr) sleeper->Notify();
    });
    link->posted = true;
  };
}

asio::awaitable<void> WakeUp::Wait(std::chrono::milliseconds at_most) {
  if (!notified_) {
    timer_.expires_after(at_most);
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  notified_ = false;
}

}  // namespace quire
