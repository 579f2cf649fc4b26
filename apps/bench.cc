// quire bench: how fast a model is here, beside what this machine can do at most.
#include <fmt/format.h>

#include <CLI/Option.hpp>
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "apps/bench/bench_result.h"
#include "apps/bench/bench_stage.h"
#include "apps/bench/machine_facts.h"
#include "apps/bench/machine_peaks.h"
#include "apps/bench/model_cost.h"
#include "apps/command.h"
#include "apps/engine_flags.h"
#include "apps/exit_code.h"
#include "apps/flags/flag_values.h"
#include "apps/progress_bar.h"
#include "base/size.h"
#include "base/worker_pool.h"
#include "gguf/gguf_file.h"
#include "kernels/dispatch.h"
#include "kernels/kv_view.h"
#include "kernels/numerics.h"
#include "model/config.h"
#include "model/kv_choice.h"
#include "model/model.h"

#ifndef QUIRE_VERSION
#define QUIRE_VERSION "dev"
#endif

namespace quire {
namespace {

struct BenchFlags {
  std::string model;
  std::vector<uint32_t> prefill = {512};
  uint32_t decode = 128;
  std::vector<uint32_t> depth = {0};
  std::vector<uint32_t> clients = {1};
  uint32_t shared_prefix = 0;
  uint32_t step_tokens = 512;
  uint32_t repetitions = 5;
  std::string kv_format = "auto";
  EngineFlags engine;  // threads, and where repacked weights are
  bool json = false;
};

Status RefuseFlag(const char* flag, const std::string& why) {
  return Refuse(ErrorCode::kInvalidArgument, fmt::format("--{} {}", flag, why), flag);
}

// A length of 0 switches its kind of case off.
std::vector<BenchCase> CasesOf(const BenchFlags& flags) {
  std::vector<BenchCase> cases;
  for (const uint32_t tokens : flags.prefill) {
    if (tokens > 0) cases.push_back({.tokens = tokens});
  }
  if (flags.decode == 0) return cases;
  for (const uint32_t clients : flags.clients) {
    for (const uint32_t depth : flags.depth) {
      cases.push_back({.tokens = flags.decode,
                       .depth = depth,
                       .clients = clients,
                       .shared_prefix = flags.shared_prefix});
    }
  }
  return cases;
}

Status CheckCases(const BenchFlags& flags, const std::vector<BenchCase>& cases,
                  const ModelConfig& config) {
  if (cases.empty()) return RefuseFlag("decode", "0 and --prefill 0 leave nothing to measure");
  const uint32_t context = config.context_length;
  for (const BenchCase& bench : cases) {
    if (bench.prefill() && bench.tokens > context) {
      return RefuseFlag("prefill", fmt::format("{} is more than the {} tokens this model was "
                                               "trained for",
                                               bench.tokens, context));
    }
    if (uint64_t{bench.depth} + bench.tokens > context) {
      return RefuseFlag("depth", fmt::format("{} and {} tokens to decode are more than the {} "
                                             "tokens this model was trained for",
                                             bench.depth, bench.tokens, context));
    }
    if (!bench.prefill() && flags.shared_prefix > bench.depth) {
      return RefuseFlag("shared-prefix", fmt::format("{} is more than --depth {}: the prefix is a "
                                                     "part of the context",
                                                     flags.shared_prefix, bench.depth));
    }
  }
  return {};
}

// All that one run needs, in the order in which it is made.
struct Bench {
  std::shared_ptr<const GgufFile> file;
  std::vector<BenchCase> cases;
  std::unique_ptr<WorkerPool> pool;
  std::unique_ptr<Model> model;
  std::unique_ptr<BenchStage> stage;
};

Result<Bench> Prepare(const BenchFlags& flags) {
  Bench bench;
  QUIRE_TRY(GgufFile file, GgufFile::Open(flags.model));
  bench.file = std::make_shared<const GgufFile>(std::move(file));
  QUIRE_TRY(const ModelConfig config, ReadModelConfig(*bench.file));
  bench.cases = CasesOf(flags);
  if (Status ok = CheckCases(flags, bench.cases, config); !ok) return std::unexpected(ok.error());
  QUIRE_TRY(bench.pool, flags.engine.threads.MakeTeam());
  bench.pool->PinCaller();
  ProgressBar bar("repacking " + config.name);
  LoadOptions load;
  load.repack_folder = flags.engine.RepackFolderPath();
  QUIRE_TRY(load.repack_limit_bytes, ParseSize(flags.engine.repack_limit));
  load.progress = [&bar](uint64_t done, uint64_t total) { bar.Update(done, total); };
  QUIRE_TRY(bench.model, Model::Load(bench.file, load, *bench.pool));
  QUIRE_TRY(bench.stage, BenchStage::Create(*bench.model, *bench.pool, bench.cases,
                                            {.format = KvFormatNamed(flags.kv_format),
                                             .chunk_tokens = flags.step_tokens}));
  return bench;
}

BenchSetting SettingOf(const BenchFlags& flags, const Bench& bench) {
  const ModelConfig& config = bench.model->config();
  const std::string format(KvFormatName(bench.stage->kv_shape().format));
  return {.version = QUIRE_VERSION,
          .compiler = __VERSION__,
          .isa = std::string(IsaName(CurrentIsa())),
          .peak_isa = {},
          .numerics = fmt::format("{}/{}/full", kNumericsVersion, format),
          .cpu = CpuName(),
          .system = SystemName(),
          .model_file = flags.model,
          .model_name = config.name,
          .architecture = config.architecture_name,
          .digest = bench.model->digest(),
          .kv_format = format,
          .threads = bench.pool->count(),
          .pinned = flags.engine.threads.pin,
          .chunk_tokens = flags.step_tokens};
}

// A short piece of every case: page faults and first touches are not what is measured.
void WarmUp(Bench& bench, uint32_t chunk_tokens) {
  for (BenchCase piece : bench.cases) {
    piece.tokens = std::min(piece.tokens, piece.prefill() ? chunk_tokens : 4);
    bench.stage->Run(piece);
  }
}

Result<BenchResult> Measure(const BenchFlags& flags, Bench& bench) {
  BenchResult result{.setting = SettingOf(flags, bench), .memory = {}, .peaks = {}, .cases = {}};
  const ModelCost cost(*bench.file, *bench.model, bench.stage->kv_shape());
  for (const BenchCase& one : bench.cases) {
    result.cases.push_back({one, cost.Of(one, flags.step_tokens), {}, {}});
  }
  ProgressBar bar("measuring");
  bar.UpdateShare(0, "warming up");
  WarmUp(bench, flags.step_tokens);
  result.memory = {.file_bytes = bench.file->file_bytes(),
                   .weight_bytes = bench.model->weight_bytes(),
                   .kv_bytes = bench.stage->kv_bytes(),
                   .buffer_bytes = bench.stage->buffer_bytes(),
                   .peak_resident_bytes = PeakResidentBytes()};
  QUIRE_TRY(const auto meter, PeakMeter::Create(*bench.pool));
  result.setting.peak_isa = IsaName(meter->isa());
  const OtherWork others;
  const auto start = std::chrono::steady_clock::now();
  double done = 0;
  const double all = flags.repetitions * static_cast<double>(result.cases.size());
  for (uint32_t round = 0; round < flags.repetitions; ++round) {
    result.peaks.push_back(meter->Measure());
    for (CaseResult& one : result.cases) {
      bar.UpdateShare(done++ / all, fmt::format("round {} of {}", round + 1, flags.repetitions));
      one.seconds.push_back(bench.stage->Run(one.bench));
      one.times.push_back(bench.stage->times());
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  result.other_cores = others.Seconds() / took.count();
  return result;
}

int Run(const BenchFlags& flags) {
  auto bench = Prepare(flags);
  if (!bench) {
    const Error& error = bench.error();
    const bool flag = error.code == ErrorCode::kInvalidArgument && !error.param.empty();
    return Fail(error, flag ? kExitUsage : kExitModel);
  }
  const auto result = Measure(flags, *bench);
  if (!result) return Fail(result.error());
  fmt::print("{}", flags.json ? BenchJson(*result) : BenchTable(*result));
  return FinishOutput();
}

void AddCaseFlags(CLI::App& app, BenchFlags& flags) {
  Whole(app.add_option("--prefill", flags.prefill,
                       "lengths of prompts to read, as 512,2048; 0: none"),
        0, 1u << 24)
      ->delimiter(',')
      ->capture_default_str();
  Whole(app.add_option("--decode", flags.decode, "tokens to generate, one after another; 0: none"),
        0, 1u << 20)
      ->capture_default_str();
  Whole(app.add_option("--depth", flags.depth,
                       "lengths of the context when generating starts, as 0,4096"),
        0, 1u << 24)
      ->delimiter(',')
      ->capture_default_str();
  Whole(app.add_option("--clients", flags.clients,
                       "numbers of sequences generating side by side, as 1,4,16"),
        1, 1024)
      ->delimiter(',')
      ->capture_default_str();
  Whole(app.add_option("--shared-prefix", flags.shared_prefix,
                       "tokens of the context that all clients share, in whole blocks of 16"),
        0, 1u << 24)
      ->capture_default_str();
}

}  // namespace

Command AddBench(CLI::App& parent) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* app = parent.add_subcommand(
      "bench", "How fast a model is here, beside what this machine can do at most.");
  app->footer(
      "Each repetition measures the machine's peaks and every case once, so that a\n"
      "rate and its ceiling are seconds apart. Keep the machine otherwise idle.\n"
      "\n"
      "Examples:\n"
      "  quire bench model.gguf\n"
      "  quire bench model.gguf --prefill 512,2048,8192 --depth 0,4096\n"
      "  quire bench model.gguf --prefill 0 --clients 1,16 --depth 512\n"
      "  quire bench model.gguf --clients 8 --depth 2048 --shared-prefix 2000\n"
      "  quire bench model.gguf --json | jq .decode_tokens_per_second");
  app->add_option("MODEL.gguf", flags->model, "the model; of a split one the first part")
      ->required();
  AddCaseFlags(*app, *flags);
  flags->engine.threads.AddTo(*app);
  Whole(app->add_option("--repetitions", flags->repetitions, "rounds; medians are over these"), 1,
        1000)
      ->capture_default_str();
  Whole(app->add_option("--step-tokens", flags->step_tokens, "tokens of one pass when reading"), 1,
        65536)
      ->capture_default_str();
  OneOf(app->add_option("--kv-format", flags->kv_format, "how keys and values are stored"),
        {"auto", "f16", "q8", "k16v8"})
      ->capture_default_str();
  app->add_option("--repack-dir", flags->engine.repack_dir,
                  "where repacked weights are kept (default auto: as quire serve); off: nowhere")
      ->type_name("DIR")
      ->capture_default_str();
  app->add_flag("--json", flags->json, "everything, samples included, as JSON");
  return {app, [flags](const Settings&) { return Run(*flags); }};
}

}  // namespace quire
