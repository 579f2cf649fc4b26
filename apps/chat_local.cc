// The model of `quire chat` in this process.
#include <nlohmann/json.hpp>
#include <random>
#include <variant>

#include "apps/chat_backend.h"

namespace quire {
namespace {

class LocalChat : public ChatBackend {
 public:
  explicit LocalChat(RunningModel running) : running_(std::move(running)) {}

  Result<ChatAnswer> Ask(const std::vector<ChatMessage>& messages, const ChatSettings& settings,
                         const std::function<bool(std::string_view)>& show) override {
    QUIRE_TRY(GenerationRequest request, MakeRequest(messages, settings));
    auto events = std::make_shared<EventQueue>();
    QUIRE_TRY(const RequestId id, running_.engine->Submit(std::move(request), events));
    return Follow(id, *events, show);
  }

  std::string name() const override { return running_.model->config().name; }

 private:
  Result<GenerationRequest> MakeRequest(const std::vector<ChatMessage>& messages,
                                        const ChatSettings& settings) {
    const Tokenizer& tokenizer = *running_.tokenizer;
    nlohmann::ordered_json input;
    input["messages"] = nlohmann::ordered_json::array();
    for (const ChatMessage& message : messages) {
      input["messages"].push_back({{"role", message.role}, {"content", message.content}});
    }
    input["add_generation_prompt"] = true;
    if (tokenizer.bos() != kNoToken) input["bos_token"] = tokenizer.Piece(tokenizer.bos());
    if (tokenizer.eos() != kNoToken) input["eos_token"] = tokenizer.Piece(tokenizer.eos());
    QUIRE_TRY(const std::string text, running_.chat_template->Render(input));
    GenerationRequest request;
    request.prompt = tokenizer.Encode(text, {.parse_special = true});
    const uint32_t context = running_.engine->context_tokens();
    const auto used = static_cast<uint32_t>(request.prompt.size());
    if (used >= context) {
      return Refuse(ErrorCode::kContextLength,
                    "the conversation is longer than the context; /clear starts a new one");
    }
    request.max_tokens = settings.max_tokens == 0 ? context - used : settings.max_tokens;
    request.sampling.temperature = settings.temperature;
    request.sampling.seed = settings.has_seed ? settings.seed : std::random_device()();
    return request;
  }

  Result<ChatAnswer> Follow(RequestId id, EventQueue& events,
                            const std::function<bool(std::string_view)>& show) {
    ChatAnswer answer;
    const auto add = [&](const std::string& text) {
      answer.text += text;
      if (!answer.cancelled && !show(text)) {
        answer.cancelled = true;
        running_.engine->Cancel(id);
      }
    };
    while (true) {
      const Event event = events.WaitPop();
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
};

}  // namespace

Result<std::unique_ptr<ChatBackend>> MakeLocalChat(const EngineFlags& flags) {
  QUIRE_TRY(RunningModel running, StartModel(flags));
  if (running.chat_template == nullptr) {
    return Refuse(ErrorCode::kUnsupported,
                  running.chat_template_error.empty()
                      ? "this model has no chat template: it completes text but was not made to "
                        "chat; try `quire run`"
                      : running.chat_template_error);
  }
  return std::make_unique<LocalChat>(std::move(running));
}

}  // namespace quire
