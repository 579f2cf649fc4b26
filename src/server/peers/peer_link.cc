#include "server/peers/peer_link.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/size.h"
#include "server/peers/peer_seal.h"
#include "session/fields.h"

namespace quire {
namespace {

constexpr size_t kMostAnswerBytes = 256 * kMiB;
constexpr size_t kMostIdleHandles = 8;

struct CloseHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, CloseHandle>;

size_t OnBytes(char* data, size_t size, size_t count, void* context) {
  auto& answer = *static_cast<std::string*>(context);
  if (answer.size() + size * count > kMostAnswerBytes) return 0;
  answer.append(data, size * count);
  return size * count;
}

int OnProgress(void* stopping, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(stopping)->load() ? 1 : 0;
}

// What an HTTP error says; nobody has sealed it, so it is only told, not believed.
std::string MessageOf(const std::string& answer) {
  const auto body = nlohmann::json::parse(answer, nullptr, false);
  if (!body.is_object() || !body.contains("error") || !body["error"].is_object()) return "";
  const auto message = body["error"].find("message");
  return message != body["error"].end() && message->is_string() ? message->get<std::string>() : "";
}

class HttpLink final : public PeerLink {
 public:
  explicit HttpLink(std::string own_name) : own_name_(std::move(own_name)) {
    QUIRE_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
  }

  Result<PeerAnswer> Ask(const Peer& peer, std::string_view action, std::string_view body,
                         std::chrono::milliseconds patience) override {
    const SealedQuestion question = SealQuestion(peer, own_name_, action, body);
    QUIRE_TRY(const std::string bytes, Post(peer, action, question.bytes, patience));
    const auto answer = ReadAnswer(peer, action, question.mark, bytes);
    if (answer) return DecodeAnswer(*answer);
    return Refuse(ErrorCode::kPeer,
                  fmt::format("what '{}' at {} says does not open: it is another server, or has "
                              "another secret",
                              peer.name, peer.url));
  }

  Result<std::string> Fetch(const Peer& peer, std::string_view action, std::string_view body,
                            std::chrono::milliseconds patience) override {
    return Post(peer, action, SealQuestion(peer, own_name_, action, body).bytes, patience);
  }

  void Stop() override { stopping_.store(true); }

 private:
  // A connection that was used before is used again.
  Handle TakeHandle() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return Handle(curl_easy_init());
    Handle handle = std::move(idle_.back());
    idle_.pop_back();
    return handle;
  }

  void GiveBack(Handle handle) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMostIdleHandles) idle_.push_back(std::move(handle));
  }

  Result<std::string> Post(const Peer& peer, std::string_view action, const std::string& body,
                           std::chrono::milliseconds patience) {
    Handle curl = TakeHandle();
    if (curl == nullptr) return Refuse(ErrorCode::kInternal, "libcurl does not work here");
    std::string answer;
    curl_slist* list = curl_slist_append(nullptr, "Content-Type: application/octet-stream");
    list = curl_slist_append(list, "Expect:");
    const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list,
                                                                              curl_slist_free_all);
    const std::string url = peer.url + "/v1/peer/" + std::string(action);
    curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");  // peers are named by the operator
    curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 5L);
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(patience.count()));
    curl_easy_setopt(curl.get(), CURLOPT_BUFFERSIZE, 512L << 10);
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, OnProgress);
    curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &stopping_);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, OnBytes);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
    const CURLcode done = curl_easy_perform(curl.get());
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    if (done != CURLE_OK) {
      return Refuse(ErrorCode::kPeer, fmt::format("no answer from '{}' at {}: {}", peer.name,
                                                  peer.url, curl_easy_strerror(done)));
    }
    GiveBack(std::move(curl));
    if (status == 200) return answer;
    return Refuse(ErrorCode::kPeer, fmt::format("'{}' at {} answered {}: {}", peer.name, peer.url,
                                                status, MessageOf(answer)));
  }

  const std::string own_name_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<Handle> idle_;
};

}  // namespace

std::string EncodeAnswer(const PeerAnswer& answer) {
  FieldWriter out;
  out.Number32(answer.refusal ? 1 : 0);
  if (answer.refusal) {
    out.Number32(static_cast<uint32_t>(answer.refusal->code));
    return out.Text(answer.refusal->message).Text(answer.refusal->param).Take();
  }
  return out.Bytes(answer.body).Take();
}

Result<PeerAnswer> DecodeAnswer(std::string_view bytes) {
  FieldParser parser(bytes);
  const uint32_t refused = parser.Number32();
  PeerAnswer answer;
  if (refused == 0 && !parser.failed()) {
    answer.body = bytes.substr(sizeof(uint32_t));
    return answer;
  }
  Error error;
  constexpr auto kLastCode = static_cast<uint32_t>(ErrorCode::kInternal);
  error.code = static_cast<ErrorCode>(std::min(parser.Number32(), kLastCode));
  error.message = parser.Text();
  error.param = parser.Text();
  if (!parser.complete()) {
    return Refuse(ErrorCode::kPeer, "a peer's answer cannot be read; is it another version?");
  }
  answer.refusal = std::move(error);
  return answer;
}

std::unique_ptr<PeerLink> MakeHttpLink(std::string own_name) {
  return std::make_unique<HttpLink>(std::move(own_name));
}

}  // namespace quire
