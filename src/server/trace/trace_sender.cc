#include "server/trace/trace_sender.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

namespace quire {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kOtlpPath = "/v1/traces";

class HttpTraceWire final : public TraceWire {
 public:
  explicit HttpTraceWire(std::string url) : url_(std::move(url)) {}

  Result<HttpAnswer> Post(std::string_view body, milliseconds patience) override {
    return poster_.Post(
        {.url = url_, .content_type = "application/json", .body = body, .patience = patience});
  }
  void Stop() override { poster_.Stop(); }

 private:
  const std::string url_;
  HttpPoster poster_;
};

// OTLP/HTTP: these, and no answer, are worth another try.
bool AsksForPatience(long status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

std::unique_ptr<TraceWire> MakeTraceWire(std::string url) {
  return std::make_unique<HttpTraceWire>(std::move(url));
}

Result<std::string> CheckTraceUrl(const std::string& url) {
  if (const Status fine = CheckHttpUrl(url); !fine) return std::unexpected(fine.error());
  const size_t host = url.find("://") + 3;
  const size_t path = url.find_first_of("/?#", host);
  if (path == std::string::npos) return url + std::string(kOtlpPath);
  if (url.substr(path) == "/") return url.substr(0, path) + std::string(kOtlpPath);
  return url;
}

TraceSender::TraceSender(std::unique_ptr<TraceWire> wire, Options options)
    : wire_(std::move(wire)), options_(std::move(options)) {
  thread_ = std::thread([this] { ThreadMain(); });
}

TraceSender::~TraceSender() {
  {
    Lock lock(mutex_);
    stopping_ = true;
    work_.notify_one();
    over_.wait_for(lock, options_.last_words, [this] { return ended_; });
  }
  wire_->Stop();
  thread_.join();
}

void TraceSender::Add(RequestTrace trace) noexcept {
  const size_t bytes = trace.bytes();
  {
    const std::lock_guard lock(mutex_);
    if (queued_bytes_ + bytes > options_.queue_bytes) {
      ++counts_.queue_full;
      return;
    }
    try {
      queue_.push_back(std::move(trace));
    } catch (const std::bad_alloc&) {
      ++counts_.no_memory;
      return;
    }
    queued_bytes_ += bytes;
  }
  work_.notify_one();
}

void TraceSender::Lose() noexcept {
  const std::lock_guard lock(mutex_);
  ++counts_.no_memory;
}

TraceSender::Counts TraceSender::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts = counts_;
  counts.queued = queue_.size();
  return counts;
}

// False to stop.
bool TraceSender::WaitForWork(Lock& lock) {
  work_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  work_.wait_for(lock, options_.gather,
                 [this] { return stopping_ || queue_.size() >= options_.batch_traces; });
  return !queue_.empty();
}

void TraceSender::ThreadMain() {
  Lock lock(mutex_);
  while (WaitForWork(lock)) Round(lock);
  ended_ = true;
  over_.notify_all();
}

// Whatever goes wrong, each trace that was taken is counted once.
void TraceSender::Round(Lock& lock) noexcept {
  uint64_t taken = 0;
  const uint64_t before = counts_.sent + counts_.unreachable + counts_.refused;
  try {
    sending_.reserve(std::min(queue_.size(), options_.batch_traces));
    size_t bytes = 0;
    while (!queue_.empty() && taken < options_.batch_traces) {
      const size_t more = queue_.front().bytes();
      if (taken > 0 && bytes + more > options_.batch_bytes) break;
      bytes += more;
      queued_bytes_ -= more;
      ++taken;
      sending_.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    Send(lock);
  } catch (const std::exception&) {  // no memory for the spans, or their text
    if (!lock.owns_lock()) lock.lock();
    if (taken == 0) Drop();
  }
  const uint64_t counted = counts_.sent + counts_.unreachable + counts_.refused - before;
  counts_.no_memory += taken - counted;
  sending_.clear();
}

// Not even a list of them could be made: the first one goes, so that this comes to an end.
void TraceSender::Drop() {
  queued_bytes_ -= queue_.front().bytes();
  queue_.pop_front();
  ++counts_.no_memory;
}

// With the lock held, but for the sending itself.
void TraceSender::Send(Lock& lock) {
  lock.unlock();
  std::string body;
  {
    std::vector<Span> spans;
    for (const RequestTrace& trace : sending_) {
      auto more = SpansOf(trace);
      std::ranges::move(more, std::back_inserter(spans));
    }
    body = WriteOtlp(options_.resource, spans);
  }
  lock.lock();
  const uint64_t traces = sending_.size();
  for (int tries = failing_ ? 1 : options_.tries; tries > 0; --tries) {
    if (!WaitUntilWelcome(lock)) break;
    lock.unlock();
    const Verdict verdict = Try(body);
    lock.lock();
    if (verdict == Verdict::kAgain) continue;
    if (verdict == Verdict::kRefused) {
      counts_.refused += traces;
      return;
    }
    // Of so many traces at most a span was not taken.
    const uint64_t partly = std::min(traces, static_cast<uint64_t>(rejected_));
    counts_.refused += partly;
    counts_.sent += traces - partly;
    return;
  }
  failing_ = true;
  counts_.unreachable += traces;
}

// A server that stops asks once more, and does not wait. False: it is of no use.
bool TraceSender::WaitUntilWelcome(Lock& lock) {
  if (stopping_) return Clock::now() >= welcome_;
  work_.wait_until(lock, welcome_, [this] { return stopping_; });
  return Clock::now() >= welcome_;
}

TraceSender::Verdict TraceSender::Try(const std::string& body) {
  const auto answer = wire_->Post(body, options_.patience);
  if (!answer) {
    NoteFailure(answer.error().message, 0);
    return Verdict::kAgain;
  }
  if (AsksForPatience(answer->status)) {
    NoteFailure("it answers " + std::to_string(answer->status), answer->retry_after_seconds);
    return Verdict::kAgain;
  }
  if (answer->status < 200 || answer->status > 299) {
    NoteFailure("it answers " + std::to_string(answer->status), 0);
    failing_ = true;
    return Verdict::kRefused;
  }
  rejected_ = RejectedSpans(answer->body);
  NoteSuccess();
  return Verdict::kSent;
}

void TraceSender::NoteFailure(const std::string& why, int64_t retry_after_seconds) {
  if (failures_ == 0 && options_.log) {
    options_.log("traces: the collector does not take them: " + why +
                 "; requests are served, their traces are dropped when the queue is full");
  }
  constexpr int kMostDoublings = 16;
  const auto pause = options_.first_pause * (1 << std::min(failures_, kMostDoublings));
  const auto most_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(options_.longest_pause).count();
  const milliseconds asked =
      retry_after_seconds > most_seconds
          ? options_.longest_pause
          : milliseconds(std::chrono::seconds(std::max<int64_t>(0, retry_after_seconds)));
  welcome_ = Clock::now() + std::min(std::max(pause, asked), options_.longest_pause);
  ++failures_;
}

void TraceSender::NoteSuccess() {
  if (failures_ > 0 && options_.log) options_.log("traces: the collector takes them again");
  failures_ = 0;
  failing_ = false;
  welcome_ = {};
}

}  // namespace quire
