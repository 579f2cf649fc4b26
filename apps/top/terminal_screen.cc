#include "apps/top/terminal_screen.h"

// Functions, or they would take names such as `move` from everybody else.
#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <langinfo.h>
#include <ncurses.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <clocale>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <string_view>

#include "apps/top/view/shown_text.h"

namespace quire {
namespace {

constexpr int kEscapeMs = 25;  // that long an Esc may be the beginning of another key

// What a handler of a crash needs, prepared while all was well.
struct Rescue {
  termios before{};
  char bytes[256] = {};
  size_t size = 0;
};
Rescue rescue;

// By its name in terminfo(5); null if the terminal has none. tigetstr says -1 where that is no
// text.
const char* CapabilityOf(const char* name) {
  const char* const capability = tigetstr(name);
  return reinterpret_cast<intptr_t>(capability) == -1 ? nullptr : capability;
}

void AddToRescue(const char* name) {
  const char* const capability = CapabilityOf(name);
  if (capability == nullptr) return;
  const size_t size = std::strlen(capability);
  if (size > sizeof(rescue.bytes) - rescue.size) return;
  std::memcpy(rescue.bytes + rescue.size, capability, size);
  rescue.size += size;
}

// Only what a signal handler may call. The default action ends the process then.
void OnCrash(int signal) {
  tcsetattr(STDIN_FILENO, TCSANOW, &rescue.before);
  [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, rescue.bytes, rescue.size);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void WatchForCrashes() {
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {
    struct sigaction action{};
    action.sa_handler = OnCrash;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
}

void ForgetCrashes() {
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {
    std::signal(signal, SIG_DFL);
  }
}

// Pairs of ncurses, one for each style that has a colour of the 8 that every terminal has.
enum Pair : short { kNoPair, kGreenPair, kCyanPair, kMagentaPair, kRedPair };

void MakePairs() {
  start_color();
  use_default_colors();
  init_pair(kGreenPair, COLOR_GREEN, -1);
  init_pair(kCyanPair, COLOR_CYAN, -1);
  init_pair(kMagentaPair, COLOR_MAGENTA, -1);
  init_pair(kRedPair, COLOR_RED, -1);
}

struct Look {
  attr_t attributes;
  short pair;
};

Look LookOf(Style style) {
  switch (style) {
    case Style::kTitle:
    case Style::kHead:
      return {A_BOLD, kNoPair};
    case Style::kDim:
      return {A_DIM, kNoPair};
    case Style::kLive:
      return {A_BOLD, kGreenPair};
    case Style::kIdle:
      return {A_NORMAL, kCyanPair};
    case Style::kPinned:
      return {A_BOLD, kMagentaPair};
    case Style::kWarning:
      return {A_BOLD, kRedPair};
    case Style::kMarked:
      return {A_REVERSE, kNoPair};
    case Style::kPlain:
      break;
  }
  return {A_NORMAL, kNoPair};
}

std::optional<Key> KeyOf(wint_t code) {
  switch (code) {
    case KEY_UP:
      return Key{Key::Kind::kUp};
    case KEY_DOWN:
      return Key{Key::Kind::kDown};
    case KEY_PPAGE:
      return Key{Key::Kind::kPageUp};
    case KEY_NPAGE:
      return Key{Key::Kind::kPageDown};
    case KEY_HOME:
      return Key{Key::Kind::kHome};
    case KEY_END:
      return Key{Key::Kind::kEnd};
    case KEY_ENTER:
      return Key{Key::Kind::kEnter};
    case KEY_BACKSPACE:
    case KEY_DC:
      return Key{Key::Kind::kBackspace};
    default:
      return std::nullopt;
  }
}

std::optional<Key> TypedKey(wint_t code) {
  constexpr wint_t kEscapeCode = 27;
  constexpr wint_t kDelete = 127;
  if (code == '\n' || code == '\r') return Key{Key::Kind::kEnter};
  if (code == kEscapeCode) return Key{Key::Kind::kEscape};
  if (code == '\b' || code == kDelete) return Key{Key::Kind::kBackspace};
  if (code < ' ') return std::nullopt;
  char bytes[MB_LEN_MAX];
  std::mbstate_t state{};
  const size_t size = std::wcrtomb(bytes, static_cast<wchar_t>(code), &state);
  if (size == static_cast<size_t>(-1)) return std::nullopt;
  return Key{Key::Kind::kText, std::string(bytes, size)};
}

}  // namespace

Result<std::unique_ptr<TerminalScreen>> TerminalScreen::Open(bool with_colour) {
  std::setlocale(LC_CTYPE, "");
  if (tcgetattr(STDIN_FILENO, &rescue.before) != 0) {
    return Refuse(ErrorCode::kIo, "standard input is no terminal; --once prints one picture");
  }
  // initscr would end the process; newterm says what is wrong.
  SCREEN* const screen = newterm(nullptr, stdout, stdin);
  if (screen != nullptr && CapabilityOf("cup") == nullptr) {
    endwin();
    delscreen(screen);
  } else if (screen != nullptr) {
    return std::unique_ptr<TerminalScreen>(new TerminalScreen(with_colour));
  }
  const char* const name = std::getenv("TERM");
  return Refuse(ErrorCode::kIo,
                std::string("this terminal is not known, or cannot move its cursor (TERM=") +
                    (name == nullptr ? "" : name) + "); --once prints one picture");
}

TerminalScreen::TerminalScreen(bool with_colour)
    : with_colour_(with_colour && has_colors()),
      ascii_(std::string_view(nl_langinfo(CODESET)) != "UTF-8") {
  if (with_colour_) MakePairs();
  cbreak();
  noecho();
  nonl();
  curs_set(0);
  set_escdelay(kEscapeMs);
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  rescue.size = 0;
  AddToRescue("sgr0");
  AddToRescue("cnorm");
  AddToRescue("rmkx");
  AddToRescue("rmcup");
  WatchForCrashes();
}

TerminalScreen::~TerminalScreen() {
  endwin();
  ForgetCrashes();
}

size_t TerminalScreen::rows() const { return static_cast<size_t>(std::max(0, LINES)); }
size_t TerminalScreen::columns() const { return static_cast<size_t>(std::max(0, COLS)); }

void TerminalScreen::Show(const std::vector<Line>& page) {
  erase();
  for (size_t row = 0; row < page.size() && row < rows(); ++row) {
    size_t column = 0;
    for (const Span& span : page[row]) {
      if (column >= columns()) break;
      const Look look = LookOf(span.style);
      const short pair = with_colour_ ? look.pair : short{kNoPair};
      attr_set(look.attributes, pair, nullptr);
      const std::string text = ascii_ ? ToAscii(span.text) : span.text;
      mvaddstr(static_cast<int>(row), static_cast<int>(column), text.c_str());
      column += Columns(span.text);
    }
  }
  attr_set(A_NORMAL, kNoPair, nullptr);
  refresh();
}

std::optional<Key> TerminalScreen::NextKey() {
  for (;;) {
    wint_t code = 0;
    const int got = get_wch(&code);
    if (got == ERR) return std::nullopt;
    const std::optional<Key> key = got == KEY_CODE_YES ? KeyOf(code) : TypedKey(code);
    if (key) return key;
  }
}

void TerminalScreen::Resize() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return;
  resizeterm(size.ws_row, size.ws_col);
}

void TerminalScreen::Suspend() { endwin(); }

void TerminalScreen::Resume() {
  Resize();
  redrawwin(stdscr);
  refresh();
}

}  // namespace quire
