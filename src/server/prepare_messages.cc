// From the body of /v1/messages to work for the engine and Anthropic's answer.
#include <algorithm>
#include <utility>

#include "engine/engine.h"
#include "server/anthropic/messages_answer.h"
#include "server/anthropic/messages_request.h"
#include "server/openai/fresh_id.h"
#include "server/openai/json_writer.h"
#include "server/prepare.h"
#include "server/single_turn.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

// Lets the answer go on from words that the client put into the assistant's mouth.
Status BeginAnswer(const ReadyModel& model, const MessagesRequest& request, PreparedChat& chat) {
  if (request.answer_begin.empty()) return {};
  const auto begin = model.tokenizer->Encode(request.answer_begin, {false, false});
  std::vector<TokenId>& prompt = chat.request.prompt;
  prompt.insert(prompt.end(), begin.begin(), begin.end());
  const uint64_t context = model.engine->context_tokens();
  if (prompt.size() >= context) {
    return Refuse(ErrorCode::kContextLength,
                  "the context of this model is " + std::to_string(context) +
                      " tokens, but the prompt has " + std::to_string(prompt.size()),
                  "messages");
  }
  const auto room = static_cast<uint32_t>(context - prompt.size());
  chat.request.cut_max_tokens |= chat.request.max_tokens > room;
  chat.request.max_tokens = std::min(chat.request.max_tokens, room);
  chat.reply.starts_in_reasoning = false;
  return {};
}

Result<PreparedChat> PrepareTurn(const ReadyModel& model, MessagesRequest& request) {
  // Agents ask for more tokens than small models have room for, and always for the same number:
  // they get the room there is, and the stop reason tells when it ended the answer.
  request.chat.fields.cut_max_tokens = true;
  GenerationRequest& work = request.chat.fields.request;
  if (!work.no_store) work.keep_seconds = std::max(work.keep_seconds, request.keep_seconds);
  auto chat = PrepareConversation(model, request.chat);
  if (!chat) return std::unexpected(request.InItsWords(std::move(chat).error()));
  if (const Status begun = BeginAnswer(model, request, *chat); !begun) {
    return std::unexpected(begun.error());
  }
  return chat;
}

}  // namespace

Result<PreparedGeneration> PrepareMessages(const ReadyModel& model, const RawRequest& raw) {
  QUIRE_TRY(MessagesRequest request, ParseMessagesRequest(raw.body, MessagesPurpose::kAnswer));
  QUIRE_TRY(PreparedChat chat, PrepareTurn(model, request));
  const GenerationFields& fields = request.chat.fields;
  SingleFacts facts = FactsOfTurn(model, raw, fields, chat);
  facts.id = FreshId("msg_");
  PreparedGeneration prepared;
  prepared.requests.push_back(std::move(chat.request));
  prepared.answer = std::make_unique<MessagesAnswer>(std::move(facts));
  return prepared;
}

Result<std::string> CountTokens(const ReadyModel& model, const std::string& body) {
  QUIRE_TRY(MessagesRequest request, ParseMessagesRequest(body, MessagesPurpose::kCount));
  QUIRE_TRY(const PreparedChat chat, PrepareTurn(model, request));
  JsonWriter json;
  json.BeginObject().Field("input_tokens", chat.request.prompt.size()).EndObject();
  return json.Take();
}

}  // namespace quire
