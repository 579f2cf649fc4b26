#include "server/outward/http_poster.h"

#include <curl/curl.h>

#include <utility>

#include "base/check.h"

namespace quire {
namespace {

constexpr long kConnectSeconds = 5;
constexpr long kBufferBytes = 512L << 10;

struct Answered {
  std::string body;
  size_t most_bytes;
};

size_t OnBytes(char* data, size_t size, size_t count, void* context) {
  auto& answered = *static_cast<Answered*>(context);
  if (answered.body.size() + size * count > answered.most_bytes) return 0;
  answered.body.append(data, size * count);
  return size * count;
}

int OnProgress(void* stopping, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(stopping)->load() ? 1 : 0;
}

}  // namespace

void HttpPoster::Close::operator()(void* curl) const { curl_easy_cleanup(curl); }

HttpPoster::HttpPoster() { QUIRE_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); }

HttpPoster::~HttpPoster() = default;

HttpPoster::Handle HttpPoster::Take() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return Handle(curl_easy_init());
  Handle handle = std::move(idle_.back());
  idle_.pop_back();
  return handle;
}

void HttpPoster::GiveBack(Handle handle) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kMostIdle) idle_.push_back(std::move(handle));
}

Result<HttpAnswer> HttpPoster::Post(const HttpPost& post) {
  Handle curl = Take();
  if (curl == nullptr) return Refuse(ErrorCode::kIo, "libcurl does not work here");
  curl_slist* list = curl_slist_append(nullptr, ("Content-Type: " + post.content_type).c_str());
  list = curl_slist_append(list, "Expect:");
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list,
                                                                            curl_slist_free_all);
  Answered answered{{}, post.most_answer_bytes};
  curl_easy_setopt(curl.get(), CURLOPT_URL, post.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_QUICK_EXIT, 1L);  // waits for no name server when it stops
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(post.patience.count()));
  curl_easy_setopt(curl.get(), CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE,
                   static_cast<curl_off_t>(post.body.size()));
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, post.body.data());
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &stopping_);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, OnBytes);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answered);
  const CURLcode done = curl_easy_perform(curl.get());
  if (done != CURLE_OK) return Refuse(ErrorCode::kIo, curl_easy_strerror(done));
  HttpAnswer answer;
  curl_off_t retry_after = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  curl_easy_getinfo(curl.get(), CURLINFO_RETRY_AFTER, &retry_after);
  answer.body = std::move(answered.body);
  answer.retry_after_seconds = retry_after;
  GiveBack(std::move(curl));
  return answer;
}

Status CheckHttpUrl(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  const auto part = [&parsed](CURLUPart which) -> std::string {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), which, &text, 0) != CURLUE_OK) return {};
    const std::unique_ptr<char, decltype(&curl_free)> owned(text, curl_free);
    return text;
  };
  const auto refuse = [&url](const std::string& why) {
    return Refuse(ErrorCode::kInvalidArgument, "'" + url + "' " + why);
  };
  if (parsed == nullptr || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return refuse("is no address; write it as http://host:port/path");
  }
  const std::string scheme = part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") return refuse("must begin with http:// or https://");
  if (!part(CURLUPART_USER).empty() || !part(CURLUPART_PASSWORD).empty()) {
    return refuse("must not hold a user or a password");
  }
  return {};
}

}  // namespace quire
