// From the body of /v1/responses to work for the engine and the answer.
#include <utility>

#include "server/openai/fresh_id.h"
#include "server/prepare.h"
#include "server/responses/responses_answer.h"
#include "server/responses/responses_request.h"
#include "server/sessions/log_rendering.h"
#include "server/single_turn.h"

namespace quire {

Result<PreparedGeneration> PrepareResponse(const ReadyModel& model, const RawRequest& raw) {
  return PrepareResponseOnto(model, raw, {});
}

Result<PreparedGeneration> PrepareResponseOnto(const ReadyModel& model, const RawRequest& raw,
                                               std::span<const TokenId> log) {
  QUIRE_TRY(ResponsesRequest request, ParseResponsesRequest(raw.body));
  auto chat = PrepareConversation(model, request.chat);
  if (!chat) return std::unexpected(request.InItsWords(std::move(chat).error()));
  if (!log.empty()) {
    QUIRE_TRY(auto extended, PromptOnto(model, request.chat, log));
    if (extended) chat->request.prompt = *std::move(extended);
  }
  SingleFacts facts = FactsOfTurn(model, raw, request.chat.fields, *chat);
  facts.id = FreshId("resp_");
  PreparedGeneration prepared;
  prepared.requests.push_back(std::move(chat->request));
  prepared.answer = std::make_unique<ResponsesAnswer>(std::move(facts), std::move(request.echo));
  return prepared;
}

}  // namespace quire
