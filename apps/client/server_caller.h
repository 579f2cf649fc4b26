// apps/client/server_caller.h -- one request to a Quire server at a time, and what it says.
//
// Threads  one at a time.
// Errors   no answer, or a refusal, which is told in the server's own words with its status.
// Bounds   an answer of most_answer_bytes; a longer one is an error.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "apps/client/server_flags.h"
#include "base/result.h"

namespace quire {

class ServerCaller {
 public:
  struct Limits {
    long timeout_seconds = 120;
    uint64_t most_answer_bytes = UINT64_MAX;
    // Asked several times a second while it waits; true breaks the request off.
    std::function<bool()> give_up = {};
  };
  explicit ServerCaller(const ServerFlags& flags) : ServerCaller(flags, Limits()) {}
  ServerCaller(const ServerFlags& flags, Limits limits);

  // `path` from the root on; without a body none is sent. Connections are kept between calls.
  Result<std::string> Call(const char* method, const std::string& path,
                           const std::string* body = nullptr) const;

  const std::string& url() const { return url_; }

  // As part of a path or a query.
  static std::string Escape(const std::string& text);

 private:
  struct CurlDeleter {
    void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  };
  void SetUp(const char* method, const std::string& url, const std::string* body,
             curl_slist* headers) const;

  const std::string url_;
  const std::string api_key_;
  const Limits limits_;
  std::unique_ptr<CURL, CurlDeleter> curl_;
};

}  // namespace quire
