// quire plan: what a machine can do with a model, before one starts a server.
#include <fmt/format.h>
#include <malloc.h>

#include <CLI/Option.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/command.h"
#include "apps/data_folder.h"
#include "apps/disk_flags.h"
#include "apps/exit_code.h"
#include "apps/flags/flag_values.h"
#include "apps/flags/thread_flags.h"
#include "apps/plan/disk_meter.h"
#include "apps/plan/machine_name.h"
#include "apps/plan/model_meter.h"
#include "apps/plan/plan_table.h"
#include "apps/plan/what_if.h"
#include "apps/progress_bar.h"
#include "base/machine.h"
#include "base/mapped_file.h"
#include "base/size.h"
#include "model/kv_choice.h"
#include "plan/capacity/plan_json.h"
#include "plan/capacity/shape_json.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

struct PlanFlags {
  std::string model;
  ThreadFlags threads;
  std::string memory = "auto";
  std::vector<uint32_t> context;
  std::vector<uint32_t> sessions;
  std::vector<double> network;
  std::string kv_format = "auto";
  uint32_t max_sequences = 64;
  std::string disk = "auto";
  std::string data;  // folder; empty: the user's own
  bool measure = false;
  bool no_measure = false;
  bool explain = false;
  std::string what_if;
  double load = 0;
  uint32_t requests = 0;
  bool json = false;
};

// What the server's tokenizer takes, made and counted.
std::optional<uint64_t> TokenizerBytes(const GgufFile& file) {
  const auto used = [] {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  const size_t before = used();
  const auto tokenizer = Tokenizer::Create(file);
  const size_t after = used();
  if (!tokenizer || after <= before) return std::nullopt;
  return after - before;
}

Result<ModelShape> ShapeFromGguf(const std::string& path) {
  QUIRE_TRY(const GgufFile file, GgufFile::Open(path));
  QUIRE_TRY(const ModelConfig config, ReadModelConfig(file));
  ModelShape shape = ShapeOfFile(file, config);
  if (const auto bytes = TokenizerBytes(file)) {
    shape.vocabulary_bytes = *bytes;
    shape.vocabulary_estimated = false;
  }
  return shape;
}

// A description begins with a brace; a model file does not.
Result<ModelShape> ReadShape(const std::string& path) {
  QUIRE_TRY(const MappedFile file, MappedFile::Open(path));
  const auto bytes = file.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool brace = first != std::string_view::npos && text[first] == '{';
  if (!brace && !path.ends_with(".json")) {
    return ShapeFromGguf(path);
  }
  Result<ModelShape> shape = ParseModelShape(text);
  if (!shape) shape.error().message = path + ": " + shape.error().message;
  return shape;
}

Result<PlanQuestion> QuestionOf(const PlanFlags& flags) {
  PlanQuestion question;
  question.contexts = flags.context;
  question.sessions = flags.sessions;
  question.network_gbits = flags.network;
  question.memory_bytes = AvailableMemory();
  if (flags.memory != "auto") {
    QUIRE_TRY(question.memory_bytes, ParseSize(flags.memory));
  }
  question.setting.threads = flags.threads.count();
  question.setting.max_sequences = flags.max_sequences;
  question.setting.kv_format = KvFormatNamed(flags.kv_format);
  QUIRE_TRY(question.setting.disk_bytes, DiskBytes(flags.disk, flags.data));
  return question;
}

Status Measure(const PlanFlags& flags, const ModelShape& shape, const std::string& folder,
               MachineProfile& profile) {
  QUIRE_TRY(const auto pool, flags.threads.MakeTeam());
  pool->PinCaller();
  ProgressBar bar("measuring this machine");
  bar.UpdateShare(0, "preparing");
  QUIRE_TRY(MeterReport report, MeasureModel(shape, *pool, {}, [&bar](double share) {
              bar.UpdateShare(share, "steps of a model of this shape");
            }));
  report.peaks.disk_read_bytes = MeasureDisk(folder);
  profile.peaks = report.peaks;
  profile.measured = report.times.measured;
  profile.models[shape.Key()] = std::move(report.times);
  return {};
}

// What is known of this machine and model, measured now if it was not, and kept for the next time.
// An error: there are no times, and why.
Result<MachineProfile> ProfileFor(const PlanFlags& flags, const ModelShape& shape) {
  const std::string folder = flags.data.empty() ? DefaultDataFolder() : flags.data;
  const MachineName machine = ThisMachine(flags.threads.count());
  const std::string path = ProfilePath(folder, machine);
  auto kept = folder.empty() ? Result<MachineProfile>(Refuse(ErrorCode::kNotFound, "no home"))
                             : MachineProfile::Load(path);
  MachineProfile profile;
  if (kept && kept->machine == machine) profile = *std::move(kept);
  profile.machine = machine;
  if (profile.models.contains(shape.Key()) && !flags.measure) return profile;
  if (flags.no_measure) {
    return Refuse(ErrorCode::kNotFound, "nothing was measured yet (--no-measure)");
  }
  const Status made = folder.empty() ? Status() : MakeDataFolder(folder);
  if (Status measured = Measure(flags, shape, made ? folder : "", profile); !measured) {
    return std::unexpected(std::move(measured).error());
  }
  const Status saved = !made ? made : folder.empty() ? Status() : profile.Save(path);
  if (!saved) fmt::print(stderr, "quire: warning: {}\n", saved.error().message);
  return profile;
}

int Print(const PlanFlags& flags, const PlanText& text, const std::optional<WhatIf>& what_if) {
  if (!flags.json) {
    fmt::print("{}", PlanTable(text));
    if (what_if) fmt::print("{}", WhatIfTable(*what_if));
    return FinishOutput();
  }
  std::string json = PlanJson(text.shape, text.plan, text.profile);
  if (what_if) {
    json.resize(json.rfind('}'));
    while (json.ends_with('\n')) json.pop_back();
    json += ",\n  \"what_if\": " + WhatIfJson(*what_if) + "\n}";
  }
  fmt::print("{}\n", json);
  return FinishOutput();
}

int Run(const PlanFlags& flags) {
  const auto shape = ReadShape(flags.model);
  if (!shape) {
    return Fail(shape.error(), shape.error().param.empty() ? kExitModel : kExitUsage);
  }
  auto question = QuestionOf(flags);
  if (!question) return Fail(question.error());
  // What cannot be planned is refused before anything is measured.
  if (const auto plan = MakePlan(*shape, *question, nullptr); !plan) return Fail(plan.error());
  const auto profile = ProfileFor(flags, *shape);
  const MachineProfile* known = profile ? &*profile : nullptr;
  const auto plan = MakePlan(*shape, *question, known);
  if (!plan) return Fail(plan.error());
  std::optional<WhatIf> what_if;
  if (!flags.what_if.empty()) {
    if (known == nullptr) return Fail(profile.error(), kExitFailed);
    ProgressBar bar("serving " + flags.what_if);
    const WhatIfOptions options{.trace = flags.what_if,
                                .most_requests = flags.requests,
                                .load = flags.load,
                                .progress = [&bar](double share, const std::string& what) {
                                  bar.UpdateShare(share, what);
                                }};
    auto served = ServeTrace(*shape, *plan, *question, known->models.at(shape->Key()), options);
    if (!served) return Fail(served.error(), kExitFailed);
    what_if = *std::move(served);
  }
  const PlanText text{.shape = *shape,
                      .plan = *plan,
                      .profile = known,
                      .model = flags.model,
                      .why_no_times = profile ? "" : profile.error().message,
                      .explain = flags.explain};
  return Print(flags, text, what_if);
}

constexpr const char* kFooter =
    "Memory, sessions and rates come from the sizes of the model and from what this\n"
    "machine was measured to do: some twenty seconds the first time, kept in --data.\n"
    "The first token is that of a prompt that comes alone, nobody else within 24 s.\n"
    "\n"
    "A JSON file describes a model that is not here:\n"
    "  {\"name\": \"Llama 3.1 8B\", \"layers\": 32, \"width\": 4096, \"ffn_width\": 14336,\n"
    "   \"query_heads\": 32, \"kv_heads\": 8, \"vocabulary\": 128256, \"context\": 131072,\n"
    "   \"weights\": \"Q4_K\"}\n"
    "More fields: head_dim, output and embedding (types), tied, window,\n"
    "windowed_layers, architecture. A published config.json does as well.\n"
    "\n"
    "Examples:\n"
    "  quire plan model.gguf\n"
    "  quire plan model.gguf --memory 8GiB --context 4096,16384 --sessions 1,8,32\n"
    "  quire plan llama-8b.json --memory 16GiB --kv-format q8 --explain\n"
    "  quire plan model.gguf --what-if trace.jsonl --load 0.7";

void AddQuestionFlags(CLI::App& app, PlanFlags& flags) {
  Size(app.add_option("--memory", flags.memory,
                      "memory for all of the server (default auto: what is free now)"),
       1, true)
      ->capture_default_str();
  Whole(app.add_option("--context", flags.context, "tokens of one session, as 4096,16384"), 1,
        1u << 24)
      ->delimiter(',')
      ->type_name("LIST");
  Whole(app.add_option("--sessions", flags.sessions, "sessions at once (default 1,4,16,64)"), 1,
        1'000'000)
      ->delimiter(',')
      ->type_name("LIST");
  Real(app.add_option("--network", flags.network,
                      "links that KV could be fetched over, in Gbit/s (default 1,10)"),
       0.001, 100'000)
      ->delimiter(',')
      ->type_name("LIST");
  OneOf(app.add_option("--kv-format", flags.kv_format,
                       "how keys and values are stored (default auto: k16v8)"),
        {"auto", "f16", "q8", "k16v8"})
      ->capture_default_str();
  Whole(app.add_option("--max-sequences", flags.max_sequences, "answers computed at the same time"),
        1, 4096)
      ->capture_default_str();
  Size(app.add_option("--disk", flags.disk,
                      "bytes of KV on disk (default auto: as quire serve); 0: none"),
       0, true)
      ->capture_default_str();
}

}  // namespace

Command AddPlan(CLI::App& parent) {
  auto flags = std::make_shared<PlanFlags>();
  CLI::App* app = parent.add_subcommand(
      "plan", "What a machine can do with a model: memory, sessions, rates, and what-ifs.");
  app->footer(kFooter);
  app->add_option("MODEL", flags->model, "a GGUF file, or a JSON with the sizes of a model")
      ->required();
  AddQuestionFlags(*app, *flags);
  flags->threads.AddTo(*app);
  app->add_option("--data", flags->data,
                  "folder where measurements are kept (default: quire in ~/.local/share)")
      ->type_name("DIR");
  app->add_flag("--measure", flags->measure, "measure again");
  app->add_flag("--no-measure", flags->no_measure, "no times unless they were measured before");
  app->add_flag("--explain", flags->explain, "the arithmetic of every figure");
  app->add_option("--what-if", flags->what_if,
                  "a trace (as quire replay reads them) whose first day is served in virtual time")
      ->type_name("TRACE");
  Real(app->add_option("--load", flags->load,
                       "with --what-if: stretch arrivals until reading every prompt anew takes "
                       "this share of the time; 0: as in the trace"),
       0, 1000)
      ->capture_default_str();
  Whole(
      app->add_option("--requests", flags->requests, "with --what-if: stop after so many; 0: all"),
      0, 1'000'000'000)
      ->capture_default_str();
  app->add_flag("--json", flags->json, "print one JSON object");
  return {app, [flags](const Settings&) { return Run(*flags); }};
}

}  // namespace quire
