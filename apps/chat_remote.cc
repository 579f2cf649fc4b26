// A server of `quire chat`, spoken to as any OpenAI client would.
#include <curl/curl.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/chat_backend.h"

namespace quire {
namespace {

using nlohmann::json;

// Cuts a byte stream of server-sent events into their data lines.
class EventStream {
 public:
  explicit EventStream(std::function<bool(const std::string&)> on_data)
      : on_data_(std::move(on_data)) {}

  bool Feed(std::string_view bytes) {
    buffer_ += bytes;
    size_t end;
    while ((end = buffer_.find('\n')) != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (line.starts_with("data: ") && line != "data: [DONE]" && !on_data_(line.substr(6))) {
        return false;
      }
    }
    return true;
  }

  const std::string& rest() const { return buffer_; }  // a plain JSON error has no line end

 private:
  std::function<bool(const std::string&)> on_data_;
  std::string buffer_;
};

size_t OnBytes(char* data, size_t size, size_t count, void* context) {
  return static_cast<EventStream*>(context)->Feed({data, size * count}) ? size * count : 0;
}

void ReadUsage(const json& chunk, ChatAnswer& answer) {
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
      : url_(std::move(url)), api_key_(std::move(api_key)) {
    while (url_.ends_with('/')) url_.pop_back();
  }

  Result<ChatAnswer> Ask(const std::vector<ChatMessage>& messages, const ChatSettings& settings,
                         const std::function<bool(std::string_view)>& show) override {
    ChatAnswer answer;
    EventStream stream([&](const std::string& data) { return OnChunk(data, answer, show); });
    return Post(MakeBody(messages, settings), stream, answer);
  }

  std::string name() const override { return url_; }

 private:
  static std::string MakeBody(const std::vector<ChatMessage>& messages,
                              const ChatSettings& settings) {
    json body = {{"stream", true},
                 {"stream_options", {{"include_usage", true}}},
                 {"temperature", settings.temperature},
                 {"messages", json::array()}};
    for (const ChatMessage& message : messages) {
      body["messages"].push_back({{"role", message.role}, {"content", message.content}});
    }
    if (settings.has_seed) body["seed"] = settings.seed;
    if (settings.max_tokens > 0) body["max_tokens"] = settings.max_tokens;
    return body.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  static bool OnChunk(const std::string& data, ChatAnswer& answer,
                      const std::function<bool(std::string_view)>& show) {
    const json chunk = json::parse(data, nullptr, false);
    if (!chunk.is_object()) return true;
    ReadUsage(chunk, answer);
    const auto choices = chunk.find("choices");
    if (choices == chunk.end() || !choices->is_array() || choices->empty()) return true;
    const auto delta = (*choices)[0].find("delta");
    if (delta == (*choices)[0].end() || !delta->is_object()) return true;
    const auto content = delta->find("content");
    if (content == delta->end() || !content->is_string()) return true;
    answer.text += content->get<std::string>();
    answer.cancelled = !show(content->get<std::string>());
    return !answer.cancelled;
  }

  Result<ChatAnswer> Post(const std::string& body, EventStream& stream, ChatAnswer& answer) {
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                   curl_easy_cleanup);
    curl_slist* list = curl_slist_append(nullptr, "Content-Type: application/json");
    if (!api_key_.empty()) {
      list = curl_slist_append(list, ("Authorization: Bearer " + api_key_).c_str());
    }
    const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list,
                                                                              curl_slist_free_all);
    const std::string target = url_ + "/v1/chat/completions";
    curl_easy_setopt(curl.get(), CURLOPT_URL, target.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, OnBytes);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &stream);
    const CURLcode code = curl_easy_perform(curl.get());
    if (code != CURLE_OK && !answer.cancelled) {
      return Refuse(ErrorCode::kIo, fmt::format("{}: {}", url_, curl_easy_strerror(code)));
    }
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) return ServerError(status, stream.rest());
    return answer;
  }

  static std::unexpected<Error> ServerError(long status, const std::string& body) {
    const json parsed = json::parse(body, nullptr, false);
    std::string message = "no explanation";
    if (parsed.is_object() && parsed.contains("error") && parsed["error"].is_object()) {
      message = parsed["error"].value("message", message);
    }
    return Refuse(ErrorCode::kIo, fmt::format("the server answered {}: {}", status, message));
  }

  std::string url_;
  std::string api_key_;
};

}  // namespace

std::unique_ptr<ChatBackend> MakeRemoteChat(std::string url, std::string api_key) {
  return std::make_unique<RemoteChat>(std::move(url), std::move(api_key));
}

}  // namespace quire
