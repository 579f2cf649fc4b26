// server/outward/http_poster.h -- posts bytes to another server, and waits for what it answers.
//
// Whatever status comes back is an answer. Redirects are not followed and no proxy is asked: the
// operator has named who is meant.
//
// Threads  any; each call uses a connection of its own, that of an earlier call if there is one.
// Errors   kIo: there is no answer -- what was sent may have been heard nevertheless.
// Bounds   an answer longer than `most_answer_bytes` is none; kMostIdle connections are kept.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace quire {

struct HttpPost {
  std::string url;
  std::string content_type;
  std::string_view body;
  std::chrono::milliseconds patience{10000};  // from the first byte sent to the last received
  size_t most_answer_bytes = size_t{64} << 10;
};

struct HttpAnswer {
  long status = 0;
  std::string body;
  int64_t retry_after_seconds = 0;  // as the server wishes; 0: it says nothing
};

class HttpPoster {
 public:
  HttpPoster();
  ~HttpPoster();
  HttpPoster(const HttpPoster&) = delete;
  HttpPoster& operator=(const HttpPoster&) = delete;

  Result<HttpAnswer> Post(const HttpPost& post);
  void Stop() { stopping_.store(true); }  // whoever waits is told that there is no answer

 private:
  static constexpr size_t kMostIdle = 8;
  struct Close {
    void operator()(void* curl) const;
  };
  using Handle = std::unique_ptr<void, Close>;

  Handle Take();
  void GiveBack(Handle handle);

  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<Handle> idle_;
};

// kInvalidArgument unless `url` is http:// or https:// with a host and without a user.
Status CheckHttpUrl(const std::string& url);

}  // namespace quire
