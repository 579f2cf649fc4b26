#include "apps/chat/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "base/check.h"

namespace quire {
namespace {

// Readable once it was pressed; lives as long as the process. There is no flag beside it: a press
// while both are being cleared would leave one without the other, so that a poll() is woken for
// nothing, over and over, or by nothing.
std::atomic<int> wake_fd{-1};
static_assert(std::atomic<int>::is_always_lock_free);  // a signal handler may touch nothing else

void OnPressed(int) {
  const int kept = errno;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t woken = ::write(wake_fd.load(), &one, sizeof(one));
  errno = kept;
}

}  // namespace

InterruptWatch::InterruptWatch() {
  if (wake_fd.load() < 0) wake_fd.store(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  QUIRE_CHECK(wake_fd.load() >= 0);
  Clear();
  struct sigaction action{};
  action.sa_handler = OnPressed;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &before_);  // without SA_RESTART: reads come back
}

InterruptWatch::~InterruptWatch() { sigaction(SIGINT, &before_, nullptr); }

void InterruptWatch::Clear() {
  uint64_t times = 0;
  [[maybe_unused]] const ssize_t drained = ::read(wake_fd.load(), &times, sizeof(times));
}

int InterruptWatch::fd() const { return wake_fd.load(); }

bool InterruptWatch::interrupted() const {
  pollfd polled{wake_fd.load(), POLLIN, 0};
  int ready = -1;
  while ((ready = ::poll(&polled, 1, 0)) < 0 && errno == EINTR) {
  }
  return ready > 0;
}

}  // namespace quire
