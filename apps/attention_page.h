// apps/attention_page.h -- POST /v1/attention: where the model that is served looks in a text.
#pragma once

#include "apps/engine_flags.h"
#include "server/server.h"

namespace quire {

// One text at a time, on the caller's thread and beside the engine. It keeps the model alive. Not
// shown, if the system gives no memory for it.
AttentionSight AttentionPage(const RunningModel& running);

}  // namespace quire
