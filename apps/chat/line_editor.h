// apps/chat/line_editor.h -- reads one line from a person: UTF-8 editing and history on a terminal.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace quire {

// On a terminal lines are edited through libedit; from a pipe they are read as they are. A line
// that ends in a backslash goes on in the next one.
// Threads  one.
class LineEditor {
 public:
  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // nullopt at the end of input. Ctrl-C throws away what was typed and gives an empty line.
  std::optional<std::string> Read(const std::string& prompt);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quire
