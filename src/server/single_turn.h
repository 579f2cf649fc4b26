// server/single_turn.h -- what a single answer must know of its request, for all APIs that give
// one.
#pragma once

#include "server/answer/single_answer.h"
#include "server/prepare.h"

namespace quire {

// All but the id. Takes the reply's options out of `chat`.
SingleFacts FactsOfTurn(const ReadyModel& model, const RawRequest& raw,
                        const GenerationFields& fields, PreparedChat& chat);

}  // namespace quire
