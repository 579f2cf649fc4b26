#include "engine/engine_defaults.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <utility>

#include "base/machine.h"
#include "kernels/kv_view.h"

namespace quire {
namespace {

constexpr uint32_t kDefaultStepTokens = 512;  // where the matmul's rate has long stopped growing
constexpr uint32_t kLeastLogitRows = 64;      // echo reduces a prompt's logits in pieces of this
constexpr uint32_t kLeastContext = 2;         // one token to read, one to answer
constexpr size_t kSecretBytes = 32;

}  // namespace

Result<EngineOptions> WithDefaults(EngineOptions options, const ModelConfig& model) {
  if (options.context_tokens == 0) options.context_tokens = model.context_length;
  if (options.context_tokens > model.context_length) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("a context of {} tokens is more than the {} this model was made for",
                              options.context_tokens, model.context_length),
                  "context");
  }
  if (options.context_tokens < kLeastContext) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("a context of {} tokens holds no question and answer; it needs {}",
                              options.context_tokens, kLeastContext),
                  "context");
  }
  if (options.max_sequences == 0 || options.queue_limit == 0) {
    return Refuse(ErrorCode::kInvalidArgument, "at least one request must be able to run and wait");
  }
  if (options.step_tokens == 0) options.step_tokens = kDefaultStepTokens;
  // A decode of every running sequence must fit into one step.
  options.max_sequences = std::min(options.max_sequences, options.step_tokens);
  if (options.scope_secret.empty()) {
    options.scope_secret.resize(kSecretBytes);
    randombytes_buf(options.scope_secret.data(), kSecretBytes);
  }
  if (options.scope_secret.size() != kSecretBytes) {
    return Refuse(ErrorCode::kInvalidArgument, "the scope secret must have 32 bytes");
  }
  return options;
}

StepBudget BudgetOf(const EngineOptions& options) {
  return {
      .step_tokens = options.step_tokens,
      .step_sequences = options.max_sequences,
      .step_logit_rows = std::max(kLeastLogitRows, options.max_sequences),
      .prefill_chunk = options.prefill_chunk == 0 ? options.step_tokens : options.prefill_chunk};
}

StepLoopOptions LoopOptions(const EngineOptions& options, const Model& model,
                            const KvArena& arena) {
  return {.budget = BudgetOf(options),
          .queue_limit = options.queue_limit,
          .num_blocks = arena.num_blocks(),
          .block_bytes = arena.view().shape.block_bytes(),
          .prefix_cache = options.prefix_cache,
          .eviction = options.eviction,
          .tool_keep_ms = TickMs{options.tool_keep_seconds} * 1000,
          .target_itl_seconds = options.prefill_chunk == 0 ? options.target_itl_ms / 1000.0 : 0,
          .model_digest = model.digest(),
          .kv_format = std::string(KvFormatName(options.kv_format)),
          .scope_secret = options.scope_secret};
}

namespace {

// What the system may keep of the disk's files: as much as the arena holds, so that a restart finds
// what was there, from half of the memory that nobody needs now.
uint64_t PageCacheBytes(const EngineOptions& options, uint64_t arena_bytes) {
  if (!options.disk_page_cache) return 0;
  const uint64_t available = AvailableMemory();
  const uint64_t spare = available > arena_bytes ? available - arena_bytes : 0;
  return std::min(arena_bytes, spare / 2);
}

}  // namespace

KvDiskOptions DiskOptions(const EngineOptions& options, uint64_t arena_bytes) {
  KvDiskOptions made;
  made.folder = options.disk_folder;
  made.limit_bytes = options.disk_bytes;
  made.encrypt = options.disk_encryption;
  made.page_cache = options.disk_page_cache;
  made.cached_bytes = PageCacheBytes(options, arena_bytes);
  made.scope_secret = options.scope_secret;
  made.log = options.log;
  return made;
}

ForwardLimits LimitsOf(const EngineOptions& options) {
  return {.max_tokens = options.step_tokens,
          .max_logit_rows = BudgetOf(options).step_logit_rows,
          .max_context = options.context_tokens};
}

}  // namespace quire
