#include "apps/top/feed_poller.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "apps/top/view/shown_text.h"
#include "base/check.h"

namespace quire {
namespace {

using std::chrono::steady_clock;

// A tenant's own refusals and ends, of the last ten minutes; asked for every so often.
constexpr std::chrono::seconds kVerdictsEvery(5);
constexpr int64_t kVerdictsOfMs = 600'000;
// Longer than a step, so that a busy server is no dead one.
constexpr long kTimeoutSeconds = 20;
constexpr uint64_t kMostAnswerBytes = uint64_t{16} << 20;

Result<LiveState> AskLive(const ServerCaller& caller) {
  QUIRE_TRY(const std::string text, caller.Call("GET", "/v1/live?once=true"));
  return ParseLive(text);
}

ServerFacts AskFacts(const ServerCaller& caller) {
  return ParseFacts(caller.Call("GET", "/v1/models").value_or(""),
                    caller.Call("GET", "/version").value_or(""));
}

std::map<std::string, uint64_t> AskVerdicts(const ServerCaller& caller) {
  const int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
  const auto answer = caller.Call(
      "GET", fmt::format("/v1/ledger/summary?by=verdict&since_ms={}", now_ms - kVerdictsOfMs));
  return ParseVerdicts(answer.value_or(""));
}

}  // namespace

Result<FeedNews> AskOnce(const ServerCaller& caller) {
  FeedNews news;
  QUIRE_TRY(news.live, AskLive(caller));
  news.facts = AskFacts(caller);
  news.verdicts = AskVerdicts(caller);
  news.answers = true;
  return news;
}

FeedPoller::FeedPoller(const ServerFlags& flags, std::chrono::milliseconds interval)
    : interval_(interval),
      caller_(flags, {.timeout_seconds = kTimeoutSeconds,
                      .most_answer_bytes = kMostAnswerBytes,
                      .give_up = [this] { return ending(); }}),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { Loop(); }) {
  QUIRE_CHECK(wake_ >= 0, "no descriptor is left");
}

FeedPoller::~FeedPoller() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
  close(wake_);
}

bool FeedPoller::ending() {
  const std::lock_guard lock(mutex_);
  return ending_;
}

FeedNews FeedPoller::Take() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t read_bytes = read(wake_, &count, sizeof(count));
  const std::lock_guard lock(mutex_);
  FeedNews taken = std::exchange(news_, {});
  news_.answers = taken.answers;
  news_.trouble = taken.trouble;
  return taken;
}

bool FeedPoller::Cancel(uint64_t request) {
  {
    const std::lock_guard lock(mutex_);
    if (wishes_.size() >= kMostWishes) return false;
    wishes_.push_back(request);
  }
  changed_.notify_one();
  return true;
}

void FeedPoller::Tell() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof(one));
}

void FeedPoller::Ask() {
  Result<LiveState> live = AskLive(caller_);
  bool fresh = false;
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    fresh = live && !news_.answers;
    news_.answers = live.has_value();
    news_.trouble = live ? "" : Printable(live.error().message);
    if (live) news_.live = *std::move(live);
  }
  Tell();
  if (live.has_value()) AskSeldom(fresh);
}

void FeedPoller::AskSeldom(bool fresh) {
  const auto now = steady_clock::now();
  if (!fresh && now - verdicts_at_ < kVerdictsEvery) return;
  verdicts_at_ = now;
  std::optional<ServerFacts> facts;
  if (fresh) facts = AskFacts(caller_);
  auto verdicts = AskVerdicts(caller_);
  {
    const std::lock_guard lock(mutex_);
    if (facts) news_.facts = *std::move(facts);
    news_.verdicts = std::move(verdicts);
  }
  Tell();
}

void FeedPoller::Fulfil(uint64_t request) {
  const std::string body = "{}";
  const auto done = caller_.Call("POST", fmt::format("/v1/requests/{}/cancel", request), &body);
  {
    const std::lock_guard lock(mutex_);
    news_.notice = done ? fmt::format("request {} is cancelled", request)
                        : Printable(fmt::format("not cancelled: {}", done.error().message));
  }
  Tell();
}

void FeedPoller::Loop() {
  auto next = steady_clock::now();
  for (;;) {
    std::vector<uint64_t> wishes;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_until(lock, next, [this] { return ending_ || !wishes_.empty(); });
      if (ending_) return;
      wishes = std::exchange(wishes_, {});
    }
    for (const uint64_t request : wishes) Fulfil(request);
    if (wishes.empty() && steady_clock::now() < next) continue;
    Ask();
    next = steady_clock::now() + interval_;
  }
}

}  // namespace quire
