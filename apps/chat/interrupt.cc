#include "apps/chat/interrupt.h"

#include <atomic>

namespace quire {
namespace {

std::atomic<bool> pressed{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler may touch nothing else

}  // namespace

InterruptWatch::InterruptWatch() {
  pressed.store(false);
  struct sigaction action{};
  action.sa_handler = [](int) { pressed.store(true); };
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &before_);  // without SA_RESTART: reads come back
}

InterruptWatch::~InterruptWatch() { sigaction(SIGINT, &before_, nullptr); }

void InterruptWatch::Clear() { pressed.store(false); }

bool InterruptWatch::interrupted() const { return pressed.load(); }

}  // namespace quire
