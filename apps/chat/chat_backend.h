// apps/chat/chat_backend.h -- who answers in `quire chat`: a model in this process, or a server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/engine_flags.h"
#include "base/result.h"

namespace quire {

struct ChatMessage {
  std::string role;
  std::string content;
};

struct ChatSettings {
  float temperature = 0.7f;
  uint64_t seed = 0;
  bool has_seed = false;
  uint32_t max_tokens = 0;  // 0: the rest of the context
};

// What the footer under an answer shows.
struct ChatAnswer {
  std::string text;
  uint32_t cached_tokens = 0;
  uint32_t computed_tokens = 0;
  uint32_t generated_tokens = 0;
  double ttft_ms = 0;
  double decode_ms_per_token = 0;
  bool cancelled = false;
};

// Threads  one at a time.
class ChatBackend {
 public:
  virtual ~ChatBackend() = default;

  // Answers the conversation. `show` gets the text as it comes and returns false to cancel; while
  // nothing comes it is asked now and then with an empty text.
  virtual Result<ChatAnswer> Ask(const std::vector<ChatMessage>& messages,
                                 const ChatSettings& settings,
                                 const std::function<bool(std::string_view)>& show) = 0;

  virtual std::string name() const = 0;  // for the greeting
};

// Loads the model; FailToStart knows the exit code for an error.
Result<std::unique_ptr<ChatBackend>> MakeLocalChat(const EngineFlags& flags);

// `url`: http://host:port of an OpenAI-compatible server, with or without "/v1"; `api_key` may be
// empty. Asks the server for its models, so that one that is not there is noticed now.
Result<std::unique_ptr<ChatBackend>> MakeRemoteChat(std::string url, std::string api_key);

}  // namespace quire
