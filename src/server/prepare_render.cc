// What a conversation becomes before it is read: the tokens of its rendered text.
#include "server/openai/chat_request.h"
#include "server/openai/json_writer.h"
#include "server/prepare.h"
#include "text/detokenizer.h"

namespace quire {

Result<std::string> Render(const ReadyModel& model, const std::string& body) {
  QUIRE_TRY(ChatRequest request, ParseChatRequest(body));
  QUIRE_TRY(const PreparedChat chat, PrepareConversation(model, request));
  const std::vector<TokenId>& tokens = chat.request.prompt;
  JsonWriter json;
  json.BeginObject().Key("tokens").BeginArray();
  for (const TokenId token : tokens) json.Number(token);
  json.EndArray().Key("pieces").BeginArray();
  Detokenizer detokenizer(*model.tokenizer, true);
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string piece = detokenizer.Append(tokens[i]);
    if (i + 1 == tokens.size()) piece += detokenizer.Finish();
    json.String(piece);
  }
  return json.EndArray().EndObject().Take();
}

}  // namespace quire
