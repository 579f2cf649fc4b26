#include "apps/client/server_caller.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace quire {
namespace {

using nlohmann::json;

struct Answer {
  std::string text;
  uint64_t most_bytes = UINT64_MAX;
};

size_t OnBytes(char* data, size_t size, size_t count, void* context) {
  auto& answer = *static_cast<Answer*>(context);
  if (size * count > answer.most_bytes - answer.text.size()) return 0;
  answer.text.append(data, size * count);
  return size * count;
}

int OnProgress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const std::function<bool()>*>(context))() ? 1 : 0;
}

std::string MessageOf(const std::string& answer) {
  const json body = json::parse(answer, nullptr, false);
  if (body.is_object() && body.contains("error") && body["error"].is_object()) {
    const json& message = body["error"].value("message", json());
    if (message.is_string()) return message.get<std::string>();
  }
  return "the server refuses";
}

}  // namespace

ServerCaller::ServerCaller(const ServerFlags& flags, Limits limits)
    : url_(BaseUrl(flags.url)),
      api_key_(flags.api_key),
      limits_(std::move(limits)),
      curl_(curl_easy_init()) {}

void ServerCaller::SetUp(const char* method, const std::string& url, const std::string* body,
                         curl_slist* headers) const {
  CURL* const curl = curl_.get();
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBytes);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, limits_.timeout_seconds);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  if (limits_.give_up) {
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &limits_.give_up);
  }
  if (body == nullptr) return;
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data());
}

Result<std::string> ServerCaller::Call(const char* method, const std::string& path,
                                       const std::string* body) const {
  if (curl_ == nullptr) return Refuse(ErrorCode::kInternal, "libcurl does not work here");
  curl_slist* list = nullptr;
  if (!api_key_.empty()) {
    list = curl_slist_append(list, ("Authorization: Bearer " + api_key_).c_str());
  }
  list = curl_slist_append(list, "Content-Type: application/octet-stream");
  list = curl_slist_append(list, "Expect:");
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list,
                                                                            curl_slist_free_all);
  Answer answer{{}, limits_.most_answer_bytes};
  SetUp(method, url_ + path, body, list);
  curl_easy_setopt(curl_.get(), CURLOPT_WRITEDATA, &answer);
  const CURLcode done = curl_easy_perform(curl_.get());
  if (done == CURLE_UNSUPPORTED_PROTOCOL || done == CURLE_URL_MALFORMAT) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("{}: write the server as http://host:port", url_));
  }
  if (done != CURLE_OK) {
    return Refuse(ErrorCode::kIo,
                  fmt::format("no answer from {}: {}", url_, curl_easy_strerror(done)));
  }
  long status = 0;
  curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status < 300) return std::move(answer.text);
  return Refuse(ErrorCode::kIo, fmt::format("{} ({})", MessageOf(answer.text), status));
}

std::string ServerCaller::Escape(const std::string& text) {
  char* raw = curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size()));
  std::string escaped = raw == nullptr ? "" : raw;
  curl_free(raw);
  return escaped;
}

}  // namespace quire
