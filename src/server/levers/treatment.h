// server/levers/treatment.h -- does to a request what the levers say that it is in the treatment
// of.
//
// Threads  pure function.
#pragma once

#include "engine/request.h"
#include "lever/lever_board.h"

namespace quire {

// What a client asked for by itself goes before: nobody's wish to keep his text is tried out on.
void Apply(const Treatment& treatment, GenerationRequest& request);

}  // namespace quire
