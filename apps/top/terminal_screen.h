// apps/top/terminal_screen.h -- the terminal: lines of styled text out, keys in, and everything as
// it was before at the end.
//
// It is restored when the object ends, when the process stops (Suspend) and, as far as a signal
// handler may, when the process crashes. ncurses sends what has changed and nothing else.
//
// Threads  one; one object at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/top/view/page.h"
#include "base/result.h"

namespace quire {

class TerminalScreen {
 public:
  // Refuses a terminal that cannot move its cursor.
  static Result<std::unique_ptr<TerminalScreen>> Open(bool with_colour);
  ~TerminalScreen();
  TerminalScreen(const TerminalScreen&) = delete;
  TerminalScreen& operator=(const TerminalScreen&) = delete;

  size_t rows() const;
  size_t columns() const;
  void Show(const std::vector<Line>& lines);
  std::optional<Key> NextKey();  // nullopt: none is waiting
  void Resize();                 // after SIGWINCH
  void Suspend();                // the terminal as it was, until Resume
  void Resume();

 private:
  explicit TerminalScreen(bool with_colour);

  bool with_colour_;
  bool ascii_ = false;  // the terminal does not speak UTF-8
};

}  // namespace quire
