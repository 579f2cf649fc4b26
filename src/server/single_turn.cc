#include "server/single_turn.h"

#include <chrono>
#include <utility>

#include "engine/engine.h"

namespace quire {

SingleFacts FactsOfTurn(const ReadyModel& model, const RawRequest& raw,
                        const GenerationFields& fields, PreparedChat& chat) {
  SingleFacts facts;
  facts.created = std::chrono::duration_cast<std::chrono::seconds>(
                      std::chrono::system_clock::now().time_since_epoch())
                      .count();
  facts.model = std::move(chat.model);
  facts.notes.request_id = raw.request_id;
  facts.notes.numerics = model.engine->numerics();
  facts.notes.ignored = fields.ignored;
  facts.notes.want_hashes = fields.request.return_logit_hash;
  facts.stream = fields.stream;
  facts.prompt_tokens = static_cast<uint32_t>(chat.request.prompt.size());
  facts.stores = model.engine->options().prefix_cache && !fields.request.no_store;
  facts.cut_by_context = chat.request.cut_max_tokens;
  facts.reply = std::move(chat.reply);
  return facts;
}

}  // namespace quire
