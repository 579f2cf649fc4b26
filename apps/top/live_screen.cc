#include "apps/top/live_screen.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <deque>
#include <memory>
#include <utility>

#include "apps/exit_code.h"
#include "apps/top/terminal_screen.h"
#include "apps/top/view/request_table.h"
#include "apps/top/view/shown_text.h"
#include "base/check.h"

namespace quire {
namespace {

using std::chrono::steady_clock;

// "Of late" is so long.
constexpr double kRateSeconds = 5;
constexpr std::chrono::seconds kNoticeFor(5);
// How long a silence grows before the screen says so anew.
constexpr int kTickMs = 1000;

double UnixSeconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double SecondsSince(steady_clock::time_point begin) {
  return std::chrono::duration<double>(steady_clock::now() - begin).count();
}

// Signals as something to be read, so that none comes in the middle of anything. The thread that
// asks the server inherits the mask.
class Signals {
 public:
  Signals() {
    sigemptyset(&mask_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP}) {
      sigaddset(&mask_, signal);
    }
    pthread_sigmask(SIG_BLOCK, &mask_, &before_);
    descriptor_ = signalfd(-1, &mask_, SFD_CLOEXEC | SFD_NONBLOCK);
    QUIRE_CHECK(descriptor_ >= 0, "no descriptor is left");
  }
  ~Signals() {
    close(descriptor_);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int descriptor() const { return descriptor_; }
  int Next() const {  // 0: none
    signalfd_siginfo info{};
    return read(descriptor_, &info, sizeof(info)) == sizeof(info) ? static_cast<int>(info.ssi_signo)
                                                                  : 0;
  }

 private:
  sigset_t mask_{};
  sigset_t before_{};
  int descriptor_ = -1;
};

class LiveScreen {
 public:
  LiveScreen(const LiveScreenOptions& options, TerminalScreen& screen, const Signals& signals)
      : screen_(screen), signals_(signals), poller_(options.server, options.interval) {
    input_.url = Printable(BaseUrl(options.server.url));
  }

  // The signal that ended it, or 0.
  int Loop() {
    for (;;) {
      Draw();
      std::array<pollfd, 3> waits = {{{STDIN_FILENO, POLLIN, 0},
                                      {signals_.descriptor(), POLLIN, 0},
                                      {poller_.readable(), POLLIN, 0}}};
      poll(waits.data(), waits.size(), kTickMs);
      while (const int signal = signals_.Next()) {
        if (!Handle(signal)) return signal;
      }
      if ((waits[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return SIGHUP;
      if ((waits[2].revents & POLLIN) != 0) TakeNews();
      while (const auto key = screen_.NextKey()) {
        if (!Handle(*key)) return 0;
      }
    }
  }

 private:
  bool Handle(int signal) {
    if (signal == SIGWINCH) {
      screen_.Resize();
      return true;
    }
    if (signal != SIGTSTP) return false;
    screen_.Suspend();
    raise(SIGSTOP);
    screen_.Resume();
    return true;
  }

  bool Handle(const Key& key) {
    std::vector<TopRequest> shown;
    if (input_.live != nullptr) shown = ShownRequests(input_.live->requests, view_);
    const bool was_paused = view_.paused;
    const Action action = HandleKey(key, shown, view_);
    if (action == Action::kCancel) {
      const bool taken = poller_.Cancel(view_.asked);
      Notice(taken ? fmt::format("cancelling request {} ...", view_.asked)
                   : "too many wait to be cancelled already");
    }
    if (was_paused && !view_.paused) Show();
    return action != Action::kQuit;
  }

  void TakeNews() {
    FeedNews news = poller_.Take();
    input_.link.answers = news.answers;
    input_.link.trouble = std::move(news.trouble);
    if (news.answers) answered_at_ = steady_clock::now();
    if (news.facts) input_.facts = *std::move(news.facts);
    if (news.verdicts) input_.verdicts = *std::move(news.verdicts);
    if (news.notice) Notice(*std::move(news.notice));
    if (!news.live) return;
    moments_.push_back(*std::move(news.live));
    while (moments_.size() > 2 &&
           moments_.back().time_seconds - moments_[1].time_seconds >= kRateSeconds) {
      moments_.pop_front();
    }
    if (!view_.paused) Show();
  }

  // The last moment; a copy, for a picture that is held outlives what comes after it.
  void Show() {
    if (moments_.empty()) return;
    shown_ = moments_.back();
    input_.live = &shown_;
    input_.rates = RatesBetween(moments_.front(), moments_.back());
  }

  void Notice(std::string text) {
    input_.notice = std::move(text);
    noticed_at_ = steady_clock::now();
  }

  void Draw() {
    if (steady_clock::now() - noticed_at_ > kNoticeFor) input_.notice.clear();
    input_.now_seconds = UnixSeconds();
    input_.link.silent_seconds = SecondsSince(answered_at_);
    screen_.Show(DrawPage(input_, view_, screen_.rows(), screen_.columns()));
  }

  TerminalScreen& screen_;
  const Signals& signals_;
  FeedPoller poller_;
  PageInput input_;
  ViewState view_;
  std::deque<LiveState> moments_;  // of the last kRateSeconds
  LiveState shown_;
  steady_clock::time_point answered_at_ = steady_clock::now();
  steady_clock::time_point noticed_at_{};
};

}  // namespace

int RunLiveScreen(const LiveScreenOptions& options) {
  int signal = 0;
  {
    const Signals signals;
    auto screen = TerminalScreen::Open(options.with_colour);
    if (!screen) return Fail(screen.error());
    signal = LiveScreen(options, **screen, signals).Loop();
  }
  if (signal != 0) {
    std::signal(signal, SIG_DFL);
    raise(signal);
  }
  return kExitFine;
}

PageInput PictureOf(const FeedNews& news, std::string url) {
  PageInput input;
  input.url = Printable(url);
  input.live = news.live ? &*news.live : nullptr;
  if (news.facts) input.facts = *news.facts;
  if (news.verdicts) input.verdicts = *news.verdicts;
  input.link = {.answers = news.answers, .silent_seconds = 0, .trouble = news.trouble};
  input.now_seconds = UnixSeconds();
  return input;
}

}  // namespace quire
