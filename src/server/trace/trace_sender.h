// server/trace/trace_sender.h -- hands the traces of requests to a collector, beside the serving.
//
//   Add -> queue -> (a moment later, together) OTLP/JSON over HTTP
//
// Whoever adds a trace waits for nothing. A collector that is not there, slow, or asks for patience
// is tried again, later each time; meanwhile the queue fills, and what finds no room is dropped.
// Each trace is sent or dropped once, and counted.
//
// Threads  any; one of its own sends. The destructor gives what is queued last_words to be sent.
// Bounds   queue_bytes of traces wait, and one batch is being sent.
// Errors   none: a log line when sending begins to fail, and one when it works again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "server/outward/http_poster.h"
#include "server/trace/otlp_json.h"
#include "server/trace/request_trace.h"

namespace quire {

// The way to the collector.
class TraceWire {
 public:
  virtual ~TraceWire() = default;
  virtual Result<HttpAnswer> Post(std::string_view body, std::chrono::milliseconds patience) = 0;
  virtual void Stop() = 0;  // a Post that waits returns
};
// `url` as CheckTraceUrl gave it.
std::unique_ptr<TraceWire> MakeTraceWire(std::string url);

// The address to post to: without a path, OTLP's own is meant. kInvalidArgument otherwise.
Result<std::string> CheckTraceUrl(const std::string& url);

class TraceSender {
 public:
  struct Options {
    TraceResource resource;
    size_t queue_bytes = size_t{8} << 20;  // a request with one prompt takes some 6 KiB
    // Of a batch. A span is some hundred bytes in memory, and up to a KiB in the body.
    size_t batch_traces = 128;
    size_t batch_bytes = size_t{512} << 10;
    std::chrono::milliseconds gather{500};  // that a trace waits for others to be sent with
    std::chrono::milliseconds patience{10000};
    std::chrono::milliseconds first_pause{500};      // after a failure; doubles with each
    std::chrono::milliseconds longest_pause{30000};  // also if the collector asks for more
    int tries = 4;  // of a batch; 1 once a batch has been given up, until one arrives
    std::chrono::milliseconds last_words{2000};
    std::function<void(std::string_view)> log;
  };

  TraceSender(std::unique_ptr<TraceWire> wire, Options options);
  ~TraceSender();
  TraceSender(const TraceSender&) = delete;
  TraceSender& operator=(const TraceSender&) = delete;

  void Add(RequestTrace trace) noexcept;
  void Lose() noexcept;  // a trace that could not even be made, for want of memory

  struct Counts {
    uint64_t sent = 0;
    // Dropped:
    uint64_t queue_full = 0;
    uint64_t unreachable = 0;  // no answer, or one that asks for patience, too often
    uint64_t refused = 0;      // the collector does not want it
    uint64_t no_memory = 0;
    uint64_t dropped() const { return queue_full + unreachable + refused + no_memory; }
    uint64_t queued = 0;  // now
  };
  Counts counts() const;

 private:
  using Clock = std::chrono::steady_clock;
  using Lock = std::unique_lock<std::mutex>;
  enum class Verdict : uint8_t { kSent, kAgain, kRefused };

  void ThreadMain();
  bool WaitForWork(Lock& lock);
  void Round(Lock& lock) noexcept;
  void Drop();
  void Send(Lock& lock);
  Verdict Try(const std::string& body);
  bool WaitUntilWelcome(Lock& lock);
  void NoteFailure(const std::string& why, int64_t retry_after_seconds);
  void NoteSuccess();

  const std::unique_ptr<TraceWire> wire_;
  const Options options_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable over_;
  // All below are guarded by mutex_.
  std::deque<RequestTrace> queue_;
  size_t queued_bytes_ = 0;
  bool stopping_ = false;
  bool ended_ = false;
  Counts counts_;

  // Of the thread alone:
  std::vector<RequestTrace> sending_;
  bool failing_ = false;         // the last batch was given up
  int failures_ = 0;             // in a row
  int64_t rejected_ = 0;         // of the spans of the last batch
  Clock::time_point welcome_{};  // not to be tried before
  std::thread thread_;
};

}  // namespace quire
