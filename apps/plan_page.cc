#include "apps/plan_page.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/data_folder.h"
#include "apps/plan/machine_name.h"
#include "base/size.h"
#include "plan/capacity/plan_json.h"
#include "sched/step_target.h"
#include "server/http/http_message.h"
#include "server/http/query_fields.h"

namespace quire {
namespace {

std::unexpected<Error> Wrong(const std::string& name, const std::string& text,
                             const std::string& expected) {
  return Refuse(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is '{}'; {} is expected", name, text.substr(0, 64), expected),
                name);
}

template <typename T>
Result<std::vector<T>> ListOf(const std::string& query, const std::string& name) {
  std::vector<T> values;
  const auto found = QueryValue(query, name);
  if (!found) return values;
  std::string_view rest = *found;
  while (true) {
    const std::string_view one = rest.substr(0, rest.find(','));
    T value{};
    const auto [end, error] = std::from_chars(one.data(), one.data() + one.size(), value);
    if (error != std::errc() || end != one.data() + one.size()) {
      return Wrong(name, *found, "a list of numbers such as 1,8");
    }
    values.push_back(value);
    if (one.size() == rest.size()) return values;
    rest.remove_prefix(one.size() + 1);
  }
}

Status ReadSize(const std::string& query, const std::string& name, uint64_t& bytes) {
  const auto found = QueryValue(query, name);
  if (!found) return {};
  const auto size = ParseSize(*found);
  if (!size) return Wrong(name, *found, "a size such as 4GiB");
  bytes = *size;
  return {};
}

Status ReadFormat(const std::string& query, KvFormat& format) {
  const auto found = QueryValue(query, "kv_format");
  if (!found || *found == "auto") return {};  // as the server runs
  for (const KvFormat one : {KvFormat::kF16, KvFormat::kQ8, KvFormat::kK16V8}) {
    if (*found != KvFormatName(one)) continue;
    format = one;
    return {};
  }
  return Wrong("kv_format", *found, "auto, f16, k16v8 or q8");
}

Status CheckNames(const std::string& query) {
  QUIRE_TRY(QueryFields fields, QueryFields::Parse(query));
  for (const char* name :
       {"context", "sessions", "network", "max_sequences", "kv_format", "disk", "memory"}) {
    (void)fields.Text(name);
  }
  return fields.Finish("context, sessions, network, max_sequences, kv_format, disk, memory");
}

// What decides a plan beside the query; of the server as it runs.
struct Basis {
  ModelShape shape;
  ServerSetting setting;
  StepForecast::Pace pace;
  uint64_t kv_memory_bytes = 0;
  std::string profile_path;
  MachineName machine;
};

Result<PlanQuestion> QuestionOf(const Basis& basis, const std::string& query) {
  if (const Status known = CheckNames(query); !known) return std::unexpected(known.error());
  PlanQuestion question;
  question.setting = basis.setting;
  question.pace = basis.pace;
  QUIRE_TRY(question.contexts, ListOf<uint32_t>(query, "context"));
  QUIRE_TRY(question.sessions, ListOf<uint32_t>(query, "sessions"));
  QUIRE_TRY(question.network_gbits, ListOf<double>(query, "network"));
  QUIRE_TRY(const auto at_once, ListOf<uint32_t>(query, "max_sequences"));
  if (!at_once.empty()) {
    if (at_once.size() > 1 || at_once[0] < 1 || at_once[0] > 4096) {
      return Wrong("max_sequences", *QueryValue(query, "max_sequences"), "1 to 4096");
    }
    question.setting.max_sequences = at_once[0];
  }
  Status read = ReadFormat(query, question.setting.kv_format);
  if (read) read = ReadSize(query, "disk", question.setting.disk_bytes);
  const MemoryForecast forecast = ForecastMemory(basis.shape, question.setting);
  question.memory_bytes =
      forecast.BytesWith(basis.kv_memory_bytes / forecast.block_bytes);  // as it runs
  if (read) read = ReadSize(query, "memory", question.memory_bytes);
  if (!read) return std::unexpected(std::move(read).error());
  return question;
}

Result<std::string> Answer(const Basis& basis, const std::string& query) {
  QUIRE_TRY(const PlanQuestion question, QuestionOf(basis, query));
  const auto kept = MachineProfile::Load(basis.profile_path);
  const bool ours = kept && kept->machine == basis.machine;
  QUIRE_TRY(const CapacityPlan plan, MakePlan(basis.shape, question, ours ? &*kept : nullptr));
  return PlanJson(basis.shape, plan, ours ? &*kept : nullptr);
}

}  // namespace

std::function<Result<std::string>(const std::string& query)> PlanPage(const EngineFlags& flags,
                                                                      const std::string& data,
                                                                      const RunningModel& running) {
  const EngineOptions& options = running.engine->options();
  auto basis = std::make_shared<Basis>();
  basis->shape = ShapeOfFile(*running.file, running.model->config());
  basis->setting = {.threads = flags.threads.count(),
                    .context_tokens = running.engine->context_tokens(),
                    .step_tokens = options.step_tokens,
                    .max_sequences = options.max_sequences,
                    .kv_format = options.kv_format,
                    .disk_bytes = options.disk_folder.empty() ? 0 : options.disk_bytes};
  basis->pace = {.step_tokens = options.step_tokens,
                 .target_seconds = options.target_itl_ms / 1000.0,
                 .pause_seconds = LongestPause(options.target_itl_ms / 1000.0)};
  basis->kv_memory_bytes = options.kv_memory_bytes;
  basis->machine = ThisMachine(flags.threads.count());
  basis->profile_path = ProfilePath(data.empty() ? DefaultDataFolder() : data, basis->machine);
  return [basis](const std::string& query) { return Answer(*basis, query); };
}

}  // namespace quire
