#include "server/public_texts.h"

#include <utility>

#include "engine/engine.h"
#include "server/openai/chat_request.h"

namespace quire {
namespace {

// As a request that begins with it is encoded.
Result<std::vector<TokenId>> Encode(const ReadyModel& model, const PublicText& text) {
  if (!text.text.empty()) return model.encoder.Text(text.text, false);
  QUIRE_TRY(const ChatRequest request, ParseChatRequest("{\"messages\": " + text.messages + "}"));
  return model.encoder.Chat(request);
}

Status Share(const ReadyModel& model, const PublicText& text) {
  QUIRE_TRY(std::vector<TokenId> tokens, Encode(model, text));
  return model.engine->SharePrefix(std::move(tokens));
}

}  // namespace

std::vector<std::string> SharePublicTexts(const ReadyModel& model,
                                          std::span<const PublicText> texts) {
  std::vector<std::string> problems;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Status shared = Share(model, texts[i]);
    if (shared) continue;
    problems.push_back("public_prefix " + std::to_string(i + 1) +
                       " is not shared: " + shared.error().message);
  }
  return problems;
}

}  // namespace quire
