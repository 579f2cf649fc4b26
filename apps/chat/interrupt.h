// apps/chat/interrupt.h -- whether Ctrl-C was pressed, for as long as somebody wants to know.
#pragma once

#include <csignal>

namespace quire {

// While one lives, SIGINT does not end the process: it is remembered, and a read that waits is
// broken off with EINTR. Afterwards everything is as before. They may be nested, and share what
// they remember.
// Threads  one at a time; the signal may arrive on any.
class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  bool interrupted() const;  // a system call
  // Readable while interrupted(): for a poll() that must not miss a press which comes just before
  // it, or on another thread. Not to be read or closed.
  int fd() const;
  void Clear();  // forgets; so does the start of a watch

 private:
  struct sigaction before_{};
};

}  // namespace quire
