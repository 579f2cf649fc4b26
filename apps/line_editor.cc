#include "apps/line_editor.h"

#include <histedit.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <iostream>

namespace quire {

struct LineEditor::Impl {
  EditLine* edit = nullptr;
  History* history = nullptr;
  std::string prompt;

  static char* Prompt(EditLine* edit) {
    Impl* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    return self->prompt.data();
  }

  std::optional<std::string> ReadOne() {
    if (edit == nullptr) {
      std::string line;
      if (!std::getline(std::cin, line)) return std::nullopt;
      return line;
    }
    int count = 0;
    const char* line = el_gets(edit, &count);
    if (line == nullptr) {
      if (count == -1 && errno == EINTR) {
        el_set(edit, EL_UNBUFFERED, 0);
        std::fputc('\n', stdout);
        return std::string();
      }
      return std::nullopt;
    }
    std::string text(line, static_cast<size_t>(count));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    HistEvent event;
    if (!text.empty()) ::history(history, &event, H_ENTER, text.c_str());
    return text;
  }
};

LineEditor::LineEditor() : impl_(std::make_unique<Impl>()) {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) return;
  // UTF-8 editing needs the user's character set; numbers keep the C locale.
  std::setlocale(LC_CTYPE, "");
  impl_->edit = el_init("quire", stdin, stdout, stderr);
  if (impl_->edit == nullptr) return;
  impl_->history = history_init();
  HistEvent event;
  ::history(impl_->history, &event, H_SETSIZE, 1000);
  el_set(impl_->edit, EL_CLIENTDATA, impl_.get());
  el_set(impl_->edit, EL_PROMPT, &Impl::Prompt);
  el_set(impl_->edit, EL_EDITOR, "emacs");
  el_set(impl_->edit, EL_HIST, ::history, impl_->history);
}

LineEditor::~LineEditor() {
  if (impl_->history != nullptr) history_end(impl_->history);
  if (impl_->edit != nullptr) el_end(impl_->edit);
}

std::optional<std::string> LineEditor::Read(const std::string& prompt) {
  impl_->prompt = prompt;
  std::optional<std::string> line = impl_->ReadOne();
  while (line && line->ends_with('\\')) {
    line->pop_back();
    impl_->prompt = "… ";
    const std::optional<std::string> next = impl_->ReadOne();
    if (!next) break;
    *line += '\n' + *next;
  }
  return line;
}

}  // namespace quire
