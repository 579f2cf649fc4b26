// The model of `quire chat` in this process.
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <random>
#include <semaphore>
#include <variant>

#include "apps/chat/chat_backend.h"
#include "server/openai/chat_request.h"
#include "server/openai/prompt_encoder.h"

namespace quire {
namespace {

class LocalChat : public ChatBackend {
 public:
  explicit LocalChat(RunningModel running)
      : running_(std::move(running)),
        encoder_(running_.tokenizer, running_.chat_template, running_.chat_template_error) {}

  Result<ChatAnswer> Ask(const std::vector<ChatMessage>& messages, const ChatSettings& settings,
                         const std::function<bool(std::string_view)>& show) override {
    if (running_.changed->load()) return std::unexpected(ChangedError(running_.file->paths()[0]));
    QUIRE_TRY(GenerationRequest request, MakeRequest(messages, settings));
    auto pushed = std::make_shared<std::counting_semaphore<>>(0);
    auto events = std::make_shared<EventQueue>([pushed] { pushed->release(); });
    QUIRE_TRY(const RequestId id, running_.engine->Submit(std::move(request), events));
    return Follow(id, *events, *pushed, show);
  }

  std::string name() const override { return running_.model->config().name; }

 private:
  Result<GenerationRequest> MakeRequest(const std::vector<ChatMessage>& messages,
                                        const ChatSettings& settings) {
    ChatRequest chat;
    chat.variables["messages"] = Json::array();
    for (const ChatMessage& message : messages) {
      chat.variables["messages"].push_back({{"role", message.role}, {"content", message.content}});
    }
    GenerationRequest request;
    QUIRE_TRY(request.prompt, encoder_.Chat(chat));
    if (request.prompt.size() >= running_.engine->context_tokens()) {
      return Refuse(ErrorCode::kContextLength,
                    fmt::format("the conversation has {} tokens, the context {}; /clear starts a "
                                "new one",
                                request.prompt.size(), running_.engine->context_tokens()));
    }
    request.cut_max_tokens = true;
    request.max_tokens =
        settings.max_tokens == 0 ? running_.engine->context_tokens() : settings.max_tokens;
    request.sampling.temperature = settings.temperature;
    request.sampling.seed = settings.has_seed ? settings.seed : std::random_device()();
    return request;
  }

  Result<ChatAnswer> Follow(RequestId id, EventQueue& events, std::counting_semaphore<>& pushed,
                            const std::function<bool(std::string_view)>& show) {
    using namespace std::chrono_literals;
    ChatAnswer answer;
    const auto add = [&](const std::string& text) {
      answer.text += text;
      if (!answer.cancelled && !show(text)) {
        answer.cancelled = true;
        running_.engine->Cancel(id);
      }
    };
    while (true) {
      const auto popped = pushed.try_acquire_for(50ms) ? events.Pop() : std::nullopt;
      if (!popped) {
        add("");
        continue;
      }
      const Event& event = *popped;
      if (const auto* token = std::get_if<TokenEvent>(&event)) {
        add(token->text);
      } else if (const auto* end = std::get_if<ChoiceEndEvent>(&event)) {
        add(end->text);
      } else if (const auto* done = std::get_if<DoneEvent>(&event)) {
        if (done->error) return std::unexpected(*done->error);
        answer.cached_tokens = done->receipt.cached_tokens;
        answer.computed_tokens = done->receipt.computed_tokens;
        answer.generated_tokens = done->receipt.generated_tokens;
        answer.ttft_ms = done->receipt.ttft_ms;
        answer.decode_ms_per_token = done->receipt.decode_ms_per_token;
        return answer;
      }
    }
  }

  RunningModel running_;
  PromptEncoder encoder_;
};

}  // namespace

Result<std::unique_ptr<ChatBackend>> MakeLocalChat(const EngineFlags& flags) {
  QUIRE_TRY(RunningModel running, StartModel(flags));
  ShowWarning(running);
  return std::make_unique<LocalChat>(std::move(running));
}

}  // namespace quire
