#include "apps/engine_flags.h"

#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>

#include "apps/progress_bar.h"
#include "base/machine.h"
#include "base/size.h"
#include "base/worker_pool.h"

namespace quire {
namespace {

// Room for this many whole contexts is as much KV memory as a default should take.
constexpr uint64_t kDefaultContexts = 16;

// --kv-memory's default: half of the memory that is free once the weights are in, and never more
// than kDefaultContexts whole contexts need.
uint64_t DefaultKvMemory(const Model& model, uint32_t context) {
  const KvShape shape = model.kv_shape(KvFormat::kF16);
  const uint64_t blocks = (uint64_t{context} + kBlockTokens - 1) / kBlockTokens + 1;
  const uint64_t wanted = kDefaultContexts * blocks * shape.block_bytes();
  return std::max<uint64_t>(std::min(AvailableMemory() / 2, wanted), shape.block_bytes());
}

Result<EngineOptions> MakeOptions(const EngineFlags& flags, const Model& model) {
  EngineOptions options;
  const uint32_t trained = model.config().context_length;
  if (flags.context > trained) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("--context {} is more than the {} tokens this model was trained for",
                              flags.context, trained),
                  "context");
  }
  options.context_tokens = flags.context == 0 ? trained : flags.context;
  options.kv_memory_bytes = DefaultKvMemory(model, options.context_tokens);
  if (!flags.kv_memory.empty()) {
    QUIRE_TRY(options.kv_memory_bytes, ParseSize(flags.kv_memory));
    const uint64_t available = AvailableMemory();
    if (available != 0 && options.kv_memory_bytes > available) {
      return Refuse(ErrorCode::kInvalidArgument,
                    fmt::format("--kv-memory {} does not fit: {} of memory is free after loading "
                                "the model's {}",
                                FormatSize(options.kv_memory_bytes), FormatSize(available),
                                FormatSize(model.weight_bytes())),
                    "kv-memory");
    }
  }
  options.max_sequences = flags.max_sequences;
  options.queue_limit = flags.queue_limit;
  options.step_tokens = flags.step_tokens;
  return options;
}

Status ReadChatTemplate(RunningModel& running) {
  const auto source = running.file->GetString("tokenizer.chat_template");
  if (!source) return {};
  auto parsed = ChatTemplate::Parse(std::string(*source));
  // A broken template takes chat away, not the model: completions still work.
  if (parsed) {
    running.chat_template = std::make_shared<const ChatTemplate>(*std::move(parsed));
  } else {
    running.chat_template_error = parsed.error().message;
  }
  return {};
}

}  // namespace

void AddModelFlags(CLI::App& app, EngineFlags& flags) {
  app.add_option("--threads", flags.threads, "worker threads; 0: every core this process may use")
      ->check(CLI::Range(0u, 1024u))
      ->capture_default_str();
  app.add_option("--context", flags.context,
                 "most tokens of one request, prompt and answer; 0: the model's own")
      ->capture_default_str();
  app.add_option("--kv-memory", flags.kv_memory,
                 "memory for the KV cache, as 512MiB or 4GiB; default: half of what is free, at "
                 "most 16 whole contexts")
      ->type_name("SIZE");
  app.add_option("--kv-format", flags.kv_format, "how keys and values are stored")
      ->check(CLI::IsMember({"auto", "f16"}))
      ->capture_default_str();
}

void AddSchedulerFlags(CLI::App& app, EngineFlags& flags) {
  app.add_option("--max-sequences", flags.max_sequences, "answers computed at the same time")
      ->check(CLI::Range(1u, 4096u))
      ->capture_default_str();
  app.add_option("--queue-limit", flags.queue_limit,
                 "requests that may wait; more are answered 429 with Retry-After")
      ->check(CLI::Range(1u, 1000000u))
      ->capture_default_str();
  app.add_option("--step-tokens", flags.step_tokens,
                 "tokens of one forward pass; 0: what suits the machine")
      ->check(CLI::Range(0u, 65536u))
      ->capture_default_str();
}

Result<RunningModel> StartModel(const EngineFlags& flags) {
  RunningModel running;
  QUIRE_TRY(GgufFile file, GgufFile::Open(flags.model));
  running.file = std::make_shared<const GgufFile>(std::move(file));
  QUIRE_TRY(running.tokenizer, Tokenizer::Create(*running.file));
  if (Status read = ReadChatTemplate(running); !read) return std::unexpected(read.error());
  auto pool = std::make_unique<WorkerPool>(flags.threads == 0 ? UsableCores() : flags.threads);
  ProgressBar bar("loading " + flags.model);
  LoadOptions load;
  load.progress = [&bar](uint64_t done, uint64_t total) { bar.Update(done, total); };
  QUIRE_TRY(running.model, Model::Load(running.file, load, *pool));
  bar.Finish();
  QUIRE_TRY(const EngineOptions options, MakeOptions(flags, *running.model));
  QUIRE_TRY(running.engine,
            Engine::Create(options, running.model, running.tokenizer, std::move(pool)));
  return running;
}

}  // namespace quire
