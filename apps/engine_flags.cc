#include "apps/engine_flags.h"

#include <fmt/format.h>
#include <malloc.h>
#include <spdlog/spdlog.h>

#include <CLI/Option.hpp>
#include <algorithm>
#include <chrono>
#include <utility>

#include "apps/exit_code.h"
#include "apps/flags/flag_values.h"
#include "apps/progress_bar.h"
#include "base/machine.h"
#include "base/size.h"
#include "base/worker_pool.h"
#include "kernels/kv_view.h"
#include "model/config.h"
#include "model/file_pages.h"
#include "model/kv_choice.h"
#include "model/repack/digest_index.h"
#include "model/repack/repack_folder.h"

namespace quire {
namespace {

// Room for this many whole contexts is as much KV memory as a default should take.
constexpr uint64_t kDefaultContexts = 16;

uint64_t TensorBytes(const GgufFile& file) {
  uint64_t bytes = 0;
  for (const TensorInfo& tensor : file.tensors()) bytes += tensor.data.size();
  return bytes;
}

// --kv-memory's default: half of the memory that is free once the weights are in, and never more
// than kDefaultContexts whole contexts need.
uint64_t DefaultKvMemory(const KvShape& kv, uint32_t context) {
  const uint64_t blocks = (uint64_t{context} + kBlockTokens - 1) / kBlockTokens + 1;
  const uint64_t wanted = kDefaultContexts * blocks * kv.block_bytes();
  return std::max<uint64_t>(std::min(AvailableMemory() / 2, wanted), kv.block_bytes());
}

// At least one block, and no more than what the weights leave of the free memory.
Status CheckKvMemory(uint64_t wanted, const KvShape& kv, const ModelConfig& config,
                     const GgufFile& file) {
  const auto refuse = [wanted](const std::string& why) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("--kv-memory {} {}", FormatSize(wanted), why), "kv-memory");
  };
  const uint64_t block = kv.block_bytes();
  if (wanted < block) {
    return refuse(fmt::format(
        "cannot hold one block of {} tokens: {} layers x {} KV heads x ({} + {}) bytes of keys and "
        "values in {} = {}; a whole context of {} tokens takes {}",
        kBlockTokens, kv.layers, kv.kv_heads, kv.key_head_bytes(), kv.value_head_bytes(),
        KvFormatName(kv.format), FormatSize(block), config.context_length,
        FormatSize(block / kBlockTokens * config.context_length)));
  }
  const uint64_t available = AvailableMemory();
  const uint64_t weights = TensorBytes(file);
  const uint64_t left = available - std::min(available, weights);
  if (available == 0 || wanted <= left) return {};
  return refuse(
      fmt::format("does not fit: {} of memory is free, the weights take {}, which leaves "
                  "{}",
                  FormatSize(available), FormatSize(weights), FormatSize(left)));
}

Status CheckContext(uint32_t context, const ModelConfig& config) {
  const auto refuse = [context](const std::string& why) {
    return Refuse(ErrorCode::kInvalidArgument, fmt::format("--context {} {}", context, why),
                  "context");
  };
  if (context > config.context_length) {
    return refuse(
        fmt::format("is more than the {} tokens this model was trained for; 0 takes all "
                    "of them",
                    config.context_length));
  }
  if (context != 0 && context < kBlockTokens) {
    return refuse(fmt::format("is less than one block of {} tokens", kBlockTokens));
  }
  return {};
}

// Everything that can be refused without the weights. `kv_memory_bytes` stays 0 for "auto".
Result<EngineOptions> MakeOptions(const EngineFlags& flags, const ModelConfig& config,
                                  const GgufFile& file) {
  EngineOptions options;
  if (Status ok = CheckContext(flags.context, config); !ok) return std::unexpected(ok.error());
  options.context_tokens = flags.context == 0 ? config.context_length : flags.context;
  options.kv_format = KvFormatNamed(flags.kv_format);
  if (flags.kv_memory != "auto") {
    QUIRE_TRY(options.kv_memory_bytes, ParseSize(flags.kv_memory));
    Status ok =
        CheckKvMemory(options.kv_memory_bytes, KvShapeOf(config, options.kv_format), config, file);
    if (!ok) return std::unexpected(ok.error());
  }
  options.max_sequences = flags.max_sequences;
  options.queue_limit = flags.queue_limit;
  options.step_tokens = flags.step_tokens;
  options.scope_secret = flags.scope_secret;
  options.disk_folder = flags.disk_folder;
  options.disk_bytes = flags.disk_bytes;
  options.disk_encryption = flags.disk_encryption;
  options.disk_page_cache = flags.disk_page_cache;
  options.disk_required = flags.disk_required;
  options.log = [](std::string_view line) { spdlog::warn("{}", line); };
  options.target_itl_ms = flags.target_itl_ms;
  options.tool_keep_seconds = flags.tool_keep_seconds;
  options.eviction = EvictionKindNamed(flags.eviction).value_or(EvictionKind::kAuto);
  return options;
}

// A broken template takes chat away, not the model: completions still work.
void ReadChatTemplate(RunningModel& running) {
  const auto source = running.file->GetString("tokenizer.chat_template");
  if (!source) return;
  auto parsed = ChatTemplate::Parse(std::string(*source));
  if (parsed) {
    running.chat_template = std::make_shared<const ChatTemplate>(*std::move(parsed));
  } else {
    running.chat_template_error = parsed.error().message;
  }
}

// Seconds since it was asked last.
class Laps {
 public:
  double Next() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

Result<LoadOptions> MakeLoadOptions(const EngineFlags& flags) {
  LoadOptions load;
  load.repack_folder = flags.RepackFolderPath();
  QUIRE_TRY(load.repack_limit_bytes, ParseSize(flags.repack_limit));
  return load;
}

Result<std::unique_ptr<Model>> LoadModel(std::shared_ptr<const GgufFile> file, LoadOptions load,
                                         WorkerPool& pool) {
  ProgressBar bar("repacking " + std::string(file->GetString("general.name").value_or("")));
  load.progress = [&bar](uint64_t done, uint64_t total) { bar.Update(done, total); };
  return Model::Load(std::move(file), load, pool);
}

constexpr auto kCheckPatience = std::chrono::seconds(2);

void CheckContent(const std::string& repack_folder, RunningModel& running,
                  std::function<void()> on_changed) {
  const auto forget = [repack_folder, file = running.file, changed = running.changed,
                       engine = running.engine, on_changed = std::move(on_changed)] {
    changed->store(true);
    engine->AbandonDisk();  // some of it was computed by what is neither model
    static_cast<void>(DigestIndex::In(repack_folder).Forget(file->identities()));
    if (on_changed) on_changed();
  };
  running.check = std::make_unique<ContentCheck>(running.file, running.model->content(), forget,
                                                 kCheckPatience);
}

}  // namespace

std::string EngineFlags::RepackFolderPath() const {
  if (repack_dir == "off" || repack_dir == "0") return {};
  return repack_dir == "auto" ? RepackFolder::DefaultPath() : repack_dir;
}

void AddModelFlags(CLI::App& app, EngineFlags& flags) {
  flags.threads.AddTo(app);
  Whole(app.add_option("--context", flags.context,
                       "most tokens of one request, prompt and answer (default 0: the model's)"),
        0, UINT32_MAX)
      ->capture_default_str();
  Size(app.add_option("--kv-memory", flags.kv_memory,
                      "memory for the KV cache, as 512MiB or 4GiB (default auto: half of what is "
                      "free, at most 16 whole contexts)"),
       1, true)
      ->capture_default_str();
  OneOf(app.add_option("--kv-format", flags.kv_format,
                       "how keys and values are stored: q8 takes half of f16's memory, k16v8 three "
                       "quarters (default auto: k16v8, the smallest that keeps answers)"),
        {"auto", "f16", "q8", "k16v8"})
      ->capture_default_str();
  app.add_option("--repack-dir", flags.repack_dir,
                 "where repacked weights are kept for the next start (default auto: "
                 "${XDG_CACHE_HOME:-~/.cache}/quire/repacked); off: nowhere")
      ->type_name("DIR")
      ->capture_default_str();
  Size(app.add_option("--repack-limit", flags.repack_limit,
                      "most bytes of all repacked weights there; those not used for longest go"),
       0, false)
      ->capture_default_str();
  app.add_option("--config", flags.config, "settings file (default: ./quire.toml if it exists)")
      ->type_name("FILE");
}

void AddSchedulerFlags(CLI::App& app, EngineFlags& flags) {
  Whole(app.add_option("--max-sequences", flags.max_sequences, "answers computed at the same time"),
        1, 4096)
      ->capture_default_str();
  Whole(
      app.add_option("--queue-limit", flags.queue_limit,
                     "answers that may wait beside those computed; more get 429 with Retry-After"),
      1, 1000000)
      ->capture_default_str();
  OneOf(app.add_option("--eviction", flags.eviction,
                       "which idle KV is given up first: auto (whichever would have hit more "
                       "lately), lru or scored (by the chance that it is read again)"),
        {"auto", "lru", "scored"})
      ->capture_default_str();
  Whole(app.add_option("--tool-keep", flags.tool_keep_seconds,
                       "most seconds that KV is kept for a tool to return; how long is learned "
                       "from the tools themselves; 0: no longer than other KV"),
        0, 604800)
      ->capture_default_str();
  Whole(app.add_option("--target-itl", flags.target_itl_ms,
                       "milliseconds between two tokens of an answer that no step is to exceed"),
        1, 60000)
      ->capture_default_str();
  Whole(app.add_option("--step-tokens", flags.step_tokens,
                       "tokens of one forward pass (default 0: what suits the machine)"),
        0, 65536)
      ->capture_default_str();
}

Result<RunningModel> StartModel(const EngineFlags& flags, std::function<void()> on_changed) {
  RunningModel running;
  Laps laps;
  QUIRE_TRY(GgufFile file, GgufFile::Open(flags.model));
  running.file = std::make_shared<const GgufFile>(std::move(file));
  QUIRE_TRY(const ModelConfig config, ReadModelConfig(*running.file));
  QUIRE_TRY(EngineOptions options, MakeOptions(flags, config, *running.file));
  QUIRE_TRY(const LoadOptions load, MakeLoadOptions(flags));
  QUIRE_TRY(auto pool, flags.threads.MakeTeam());
  running.times.file = laps.Next();
  QUIRE_TRY(running.tokenizer, Tokenizer::Create(*running.file));
  running.times.tokenizer = laps.Next();
  ReadChatTemplate(running);
  malloc_trim(0);  // what was needed to check and sort a vocabulary is larger than what remains
  running.times.chat_template = laps.Next();
  QUIRE_TRY(running.model, LoadModel(running.file, load, *pool));
  running.times.weights = laps.Next();
  if (flags.kv_memory == "auto") {
    options.kv_memory_bytes =
        DefaultKvMemory(KvShapeOf(config, options.kv_format), options.context_tokens);
  }
  QUIRE_TRY(running.engine,
            Engine::Create(options, running.model, running.tokenizer, std::move(pool)));
  running.times.engine = laps.Next();
  ReleaseAllPages(*running.file);  // the vocabulary was read once, embedding rows come back
  running.weights = DescribeWeights(*running.model, load.repack_folder, load.repack_limit_bytes);
  if (running.model->load_report().digest_remembered) {
    CheckContent(load.repack_folder, running, std::move(on_changed));
  }
  return running;
}

void ShowWarning(const RunningModel& running) {
  const std::string& warning = running.model->load_report().warning;
  if (!warning.empty()) fmt::print(stderr, "quire: warning: {}\n", warning);
}

Error ChangedError(const std::string& path) {
  return {ErrorCode::kCorrupt,
          fmt::format("'{}' does not hold what it held when it was last read, though its inode, "
                      "size and times are the same; what was remembered of it is forgotten: start "
                      "again",
                      path),
          {}};
}

Status CheckCanChat(const GgufFile& file) {
  const auto source = file.GetString("tokenizer.chat_template");
  if (!source) {
    return Refuse(ErrorCode::kUnsupported,
                  "this model has no chat template: it completes text but was not made to chat; "
                  "give it the whole prompt with `quire run MODEL.gguf -p TEXT`");
  }
  if (auto parsed = ChatTemplate::Parse(std::string(*source)); !parsed) {
    return Refuse(ErrorCode::kUnsupported,
                  "this model's chat template cannot be read: " + parsed.error().message);
  }
  return {};
}

int FailToStart(const Error& error) {
  const bool flag = !error.param.empty() && (error.code == ErrorCode::kInvalidArgument ||
                                             error.code == ErrorCode::kConflict);
  return Fail(error, flag ? kExitUsage : kExitModel);
}

}  // namespace quire
