// A server of `quire chat`, spoken to as any OpenAI client would.
#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "apps/chat/chat_backend.h"
#include "apps/client/server_flags.h"

namespace quire {
namespace {

using nlohmann::json;

// Cuts a byte stream of server-sent events into their data lines.
class EventStream {
 public:
  explicit EventStream(std::function<bool(const std::string&)> on_data)
      : on_data_(std::move(on_data)) {}

  bool Feed(std::string_view bytes) {
    begin_ += bytes.substr(0, kKeptBytes - std::min(kKeptBytes, begin_.size()));
    buffer_ += bytes;
    size_t end;
    while ((end = buffer_.find('\n')) != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (!line.starts_with("data:")) continue;
      line.erase(0, line.starts_with("data: ") ? 6 : 5);
      if (line != "[DONE]" && !on_data_(line)) return false;
    }
    return buffer_.size() <= kMaxLineBytes;
  }

  // How the answer begins: all of it, if it is an error and no stream.
  const std::string& begin() const { return begin_; }

 private:
  static constexpr size_t kKeptBytes = size_t{64} << 10;
  static constexpr size_t kMaxLineBytes = size_t{16} << 20;

  std::function<bool(const std::string&)> on_data_;
  std::string buffer_;
  std::string begin_;
};

size_t OnBytes(char* data, size_t size, size_t count, void* context) {
  return static_cast<EventStream*>(context)->Feed({data, size * count}) ? size * count : 0;
}

using Poll = std::function<bool()>;  // false to give up

int OnProgress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const Poll*>(context))() ? 0 : 1;
}

std::string ErrorMessage(const json& body) {
  if (!body.is_object() || !body.contains("error")) return "";
  const json& error = body["error"];
  if (error.is_string()) return error.get<std::string>();
  if (!error.is_object() || !error.contains("message")) return "";
  return error["message"].is_string() ? error["message"].get<std::string>() : "";
}

void ReadUsage(const json& chunk, ChatAnswer& answer) {
  if (!chunk.is_object()) return;
  if (const auto usage = chunk.find("usage"); usage != chunk.end() && usage->is_object()) {
    const uint32_t prompt = usage->value("prompt_tokens", 0u);
    answer.generated_tokens = usage->value("completion_tokens", 0u);
    const auto details = usage->find("prompt_tokens_details");
    if (details != usage->end() && details->is_object()) {
      answer.cached_tokens = details->value("cached_tokens", 0u);
    }
    answer.computed_tokens = prompt - std::min(prompt, answer.cached_tokens);
  }
  if (const auto quire = chunk.find("quire"); quire != chunk.end() && quire->is_object()) {
    answer.ttft_ms = quire->value("ttft_ms", 0.0);
    answer.decode_ms_per_token = quire->value("decode_ms_per_token", 0.0);
  }
}

class RemoteChat : public ChatBackend {
 public:
  RemoteChat(std::string url, std::string api_key)
      : url_(BaseUrl(std::move(url))), api_key_(std::move(api_key)) {}

  // Learns the name of the model; refuses if there is no such server.
  Status Connect() {
    EventStream body([](const std::string&) { return true; });
    const Poll go_on = [] { return true; };
    if (Status got = Call("/v1/models", nullptr, body, go_on); !got) return got;
    const json models = json::parse(body.begin(), nullptr, false);
    if (!models.is_object() || !models.contains("data") || !models["data"].is_array()) {
      return Refuse(ErrorCode::kIo,
                    url_ + " is no OpenAI-compatible server: /v1/models has no list");
    }
    if (models["data"].empty()) return {};
    const json& first = models["data"][0];
    if (first.is_object() && first.contains("id") && first["id"].is_string()) model_ = first["id"];
    return {};
  }

  Result<ChatAnswer> Ask(const std::vector<ChatMessage>& messages, const ChatSettings& settings,
                         const std::function<bool(std::string_view)>& show) override {
    ChatAnswer answer;
    std::string failure;
    const auto begin = std::chrono::steady_clock::now();
    EventStream stream([&](const std::string& data) {
      const json chunk = json::parse(data, nullptr, false);
      failure = ErrorMessage(chunk);
      if (!failure.empty()) return false;
      if (answer.text.empty()) answer.ttft_ms = MillisecondsSince(begin);
      ReadUsage(chunk, answer);
      return OnChunk(chunk, answer, show);
    });
    const Poll go_on = [&] {
      answer.cancelled = answer.cancelled || !show("");
      return !answer.cancelled;
    };
    const std::string body = MakeBody(messages, settings);
    const Status called = Call("/v1/chat/completions", &body, stream, go_on);
    if (!failure.empty()) return Refuse(ErrorCode::kIo, "the server broke off: " + failure);
    if (!called && !answer.cancelled) return std::unexpected(called.error());
    return answer;
  }

  std::string name() const override {
    return model_.empty() ? url_ : fmt::format("{} at {}", model_, url_);
  }

 private:
  static double MillisecondsSince(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
        .count();
  }

  std::string MakeBody(const std::vector<ChatMessage>& messages,
                       const ChatSettings& settings) const {
    json body = {{"stream", true},
                 {"stream_options", {{"include_usage", true}}},
                 {"temperature", settings.temperature},
                 {"messages", json::array()}};
    for (const ChatMessage& message : messages) {
      body["messages"].push_back({{"role", message.role}, {"content", message.content}});
    }
    if (!model_.empty()) body["model"] = model_;
    if (settings.has_seed) body["seed"] = settings.seed;
    if (settings.max_tokens > 0) body["max_tokens"] = settings.max_tokens;
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  static bool OnChunk(const json& chunk, ChatAnswer& answer,
                      const std::function<bool(std::string_view)>& show) {
    if (!chunk.is_object()) return true;
    const auto choices = chunk.find("choices");
    if (choices == chunk.end() || !choices->is_array() || choices->empty()) return true;
    const json& choice = (*choices)[0];
    if (!choice.is_object()) return true;
    const auto delta = choice.find("delta");
    if (delta == choice.end() || !delta->is_object()) return true;
    const auto content = delta->find("content");
    if (content == delta->end() || !content->is_string()) return true;
    answer.text += content->get<std::string>();
    answer.cancelled = !show(content->get<std::string>());
    return !answer.cancelled;
  }

  // POST if there is a body, GET otherwise. An answer other than 200 is a refusal.
  Status Call(const std::string& path, const std::string* body, EventStream& answer,
              const Poll& go_on) const {
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                   curl_easy_cleanup);
    curl_slist* list = curl_slist_append(nullptr, "Content-Type: application/json");
    if (!api_key_.empty()) {
      list = curl_slist_append(list, ("Authorization: Bearer " + api_key_).c_str());
    }
    const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list,
                                                                              curl_slist_free_all);
    const std::string target = url_ + path;
    curl_easy_setopt(curl.get(), CURLOPT_URL, target.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
    if (body != nullptr) {
      const auto size = static_cast<curl_off_t>(body->size());
      curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, size);
      curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body->c_str());
    }
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, OnBytes);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, OnProgress);
    curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &go_on);
    return Judge(curl.get(), curl_easy_perform(curl.get()), answer);
  }

  Status Judge(CURL* curl, CURLcode code, const EventStream& answer) const {
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST) {
      return Refuse(ErrorCode::kIo, fmt::format("no server at {} ({}); `quire serve MODEL.gguf` "
                                                "starts one",
                                                url_, curl_easy_strerror(code)));
    }
    if (code != CURLE_OK) {
      const bool bad_url = code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT;
      return Refuse(
          bad_url ? ErrorCode::kInvalidArgument : ErrorCode::kIo,
          fmt::format("{}: {}", url_,
                      bad_url ? "write the server as http://host:port" : curl_easy_strerror(code)));
    }
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) return {};
    const std::string message = ErrorMessage(json::parse(answer.begin(), nullptr, false));
    return Refuse(ErrorCode::kIo,
                  fmt::format("{} answered {}: {}", url_, status,
                              message.empty() ? "is it an OpenAI-compatible server?" : message));
  }

  std::string url_;
  std::string api_key_;
  std::string model_;
};

}  // namespace

Result<std::unique_ptr<ChatBackend>> MakeRemoteChat(std::string url, std::string api_key) {
  auto chat = std::make_unique<RemoteChat>(std::move(url), std::move(api_key));
  if (Status connected = chat->Connect(); !connected) return std::unexpected(connected.error());
  return chat;
}

}  // namespace quire
