#include "apps/chat/line_editor.h"

#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>
#include <iostream>

#include "apps/chat/interrupt.h"

namespace quire {
namespace {

constexpr char kEndOfInput = 0x04;  // Ctrl-D

}  // namespace

struct LineEditor::Impl {
  EditLine* edit = nullptr;
  History* history = nullptr;
  std::string prompt;
  int typed_ahead = 0;  // bytes that came before the terminal was taken, and were not read yet
  // On a terminal, all the time: a second Ctrl-C between two lines must not end the process either.
  // A pipe has no keys: there Ctrl-C ends it as usual.
  std::optional<InterruptWatch> watch;

  static Impl* Self(EditLine* edit) {
    Impl* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    return self;
  }

  static char* Prompt(EditLine* edit) { return Self(edit)->prompt.data(); }

  // One character from the terminal; libedit's own reader hides Ctrl-C. 1, 0 at the end, or -1.
  static int ReadCharacter(EditLine* edit, wchar_t* out) {
    std::mbstate_t state{};
    while (true) {
      // A Ctrl-C that comes while what was typed before it is shown breaks off no read: there is
      // none yet. So both are waited for.
      const InterruptWatch& watch = *Self(edit)->watch;
      std::array<pollfd, 2> waited{pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{watch.fd(), POLLIN, 0}};
      const int ready = ::poll(waited.data(), waited.size(), -1);
      if (watch.interrupted()) {
        errno = EINTR;
        return -1;
      }
      if (ready < 0 && errno == EINTR) continue;  // resized
      if (ready < 0) return -1;
      char byte = 0;
      const ssize_t got = ::read(STDIN_FILENO, &byte, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return static_cast<int>(got);
      // A Ctrl-D during an answer, when the terminal edits lines itself, is left as a zero.
      int& ahead = Self(edit)->typed_ahead;
      if (ahead > 0 && byte == '\0') byte = kEndOfInput;
      ahead = std::max(0, ahead - 1);
      const size_t size = std::mbrtowc(out, &byte, 1, &state);
      if (size == static_cast<size_t>(-2)) continue;  // the character goes on
      if (size == static_cast<size_t>(-1)) {
        state = {};  // no UTF-8: as if it had not been typed
        continue;
      }
      return 1;
    }
  }

  // One line without its end; nullopt at the end of input or on Ctrl-C.
  std::optional<std::string> ReadOne() {
    if (edit == nullptr) {
      std::string line;
      if (!std::getline(std::cin, line)) return std::nullopt;
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    // libedit shows the prompt first and only then takes the terminal: what a fast typist or a
    // paste sends in between would be edited byte by byte by the terminal itself.
    el_set(edit, EL_PREP_TERM, 1);
    if (::ioctl(STDIN_FILENO, FIONREAD, &typed_ahead) != 0) typed_ahead = 0;
    int count = 0;
    const char* line = el_gets(edit, &count);
    if (line == nullptr || count <= 0 || watch->interrupted()) {
      std::fputc('\n', stdout);
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
  // UTF-8 editing needs a UTF-8 character set, which a bare container does not ask for; numbers
  // keep the C locale.
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
  impl_->edit = el_init("quire", stdin, stdout, stderr);
  if (impl_->edit == nullptr) return;
  impl_->history = history_init();
  HistEvent event;
  ::history(impl_->history, &event, H_SETSIZE, 1000);
  el_set(impl_->edit, EL_CLIENTDATA, impl_.get());
  el_set(impl_->edit, EL_PROMPT, &Impl::Prompt);
  el_set(impl_->edit, EL_EDITOR, "emacs");
  el_set(impl_->edit, EL_HIST, ::history, impl_->history);
  el_set(impl_->edit, EL_GETCFN, &Impl::ReadCharacter);
  impl_->watch.emplace();
}

LineEditor::~LineEditor() {
  if (impl_->history != nullptr) history_end(impl_->history);
  if (impl_->edit != nullptr) el_end(impl_->edit);
}

std::optional<std::string> LineEditor::Read(const std::string& prompt) {
  if (impl_->edit != nullptr) {
    impl_->watch->Clear();
    el_resize(impl_->edit);
  }
  impl_->prompt = prompt;
  std::string whole;
  while (true) {
    const std::optional<std::string> line = impl_->ReadOne();
    if (impl_->watch && impl_->watch->interrupted()) return std::string();
    if (!line) return whole.empty() ? std::nullopt : std::optional(whole);
    whole += *line;
    if (!whole.ends_with('\\')) return whole;
    whole.back() = '\n';
    impl_->prompt = "… ";
  }
}

}  // namespace quire
