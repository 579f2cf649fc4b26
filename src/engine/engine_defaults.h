// engine/engine_defaults.h -- what the options of an engine come to, and what its parts are told.
//
// Threads  pure functions, but for a secret that is drawn.
#pragma once

#include "base/result.h"
#include "engine/disk/kv_disk.h"
#include "engine/engine.h"
#include "engine/step_loop.h"
#include "model/forward.h"
#include "model/model.h"
#include "tier/kv_arena.h"

namespace quire {

// With a value for what was left open. kInvalidArgument for what cannot work, with the numbers.
Result<EngineOptions> WithDefaults(EngineOptions options, const ModelConfig& model);

// Of options with defaults.
StepBudget BudgetOf(const EngineOptions& options);
ForwardLimits LimitsOf(const EngineOptions& options);
StepLoopOptions LoopOptions(const EngineOptions& options, const Model& model, const KvArena& arena);

// `arena_bytes`: that blocks take.
KvDiskOptions DiskOptions(const EngineOptions& options, uint64_t arena_bytes);

}  // namespace quire
