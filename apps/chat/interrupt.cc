#include "apps/chat/interrupt.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "base/check.h"

namespace quire {
namespace {

std::atomic<bool> pressed{false};
std::atomic<int> wake_fd{-1};  // readable once it was pressed; lives as long as the process
// A signal handler may touch nothing else.
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void OnPressed(int) {
  const int kept = errno;
  pressed.store(true);
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
  pressed.store(false);
}

int InterruptWatch::fd() const { return wake_fd.load(); }

bool InterruptWatch::interrupted() const { return pressed.load(); }

}  // namespace quire
