// apps/plan_page.h -- GET /v1/plan: what `quire plan --json` says, of the model that is served.
#pragma once

#include <functional>
#include <string>

#include "apps/engine_flags.h"
#include "base/result.h"

namespace quire {

// Answers the query of a request: `memory`, `context`, `sessions`, `network`, `kv_format`, `disk`,
// `max_sequences`, as the flags of `quire plan`. What is not asked is as this server runs. Times
// are those that `quire plan` measured here, if it did: a server measures nothing of its own.
// Threads  any: it changes nothing. Errors  kInvalidArgument naming the field.
std::function<Result<std::string>(const std::string& query)> PlanPage(const EngineFlags& flags,
                                                                      const std::string& data,
                                                                      const RunningModel& running);

}  // namespace quire
