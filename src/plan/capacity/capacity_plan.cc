#include "plan/capacity/capacity_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/size.h"
#include "plan/capacity/changes.h"
#include "plan/capacity/fetch_or_compute.h"
#include "plan/capacity/time_terms.h"

namespace quire {
namespace {

constexpr size_t kMostEntries = 32;
constexpr uint32_t kMostSessions = 1'000'000;
constexpr double kSpareShare = 0.1;  // of KV memory, where all is well

uint64_t BlocksOf(uint64_t tokens) { return (tokens + kBlockTokens - 1) / kBlockTokens; }

template <typename T>
Status CheckList(const std::vector<T>& list, const char* name, T most) {
  if (list.size() > kMostEntries) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("{} has {} entries; at most {}", name, list.size(), kMostEntries),
                  name);
  }
  for (const T& value : list) {
    if (value > 0 && value <= most) continue;
    return Refuse(
        ErrorCode::kInvalidArgument,
        fmt::format("{} has {}; each is to be more than 0 and at most {}", name, value, most),
        name);
  }
  return {};
}

std::vector<uint32_t> DefaultContexts(uint32_t most) {
  std::vector<uint32_t> contexts;
  for (const uint32_t tokens : {2048u, 8192u, 32768u, 131072u}) {
    if (tokens < most) contexts.push_back(tokens);
  }
  contexts.push_back(most);
  return contexts;
}

Status Complete(const ModelShape& shape, PlanQuestion& question) {
  const uint32_t most = shape.config.context_length;
  if (question.setting.context_tokens == 0) question.setting.context_tokens = most;
  if (Status ok = CheckList(question.contexts, "context", 1u << 24); !ok) return ok;
  if (Status ok = CheckList(question.sessions, "sessions", kMostSessions); !ok) return ok;
  if (Status ok = CheckList(question.network_gbits, "network", 1e5); !ok) return ok;
  if (question.contexts.empty()) question.contexts = DefaultContexts(most);
  if (question.sessions.empty()) question.sessions = {1, 4, 16, 64};
  if (question.network_gbits.empty()) question.network_gbits = {1, 10};
  if (question.memory_bytes > 0) return {};
  return Refuse(ErrorCode::kInvalidArgument, "there is no memory to plan with; say how much",
                "memory");
}

Verdict VerdictOf(const CapacityPlan& plan, const ModelShape& shape, uint32_t context,
                  uint64_t blocks, uint64_t one) {
  if (context > shape.config.context_length || one > plan.kv_blocks) return Verdict::kNever;
  const double left = static_cast<double>(plan.kv_blocks) - static_cast<double>(blocks);
  if (left >= kSpareShare * static_cast<double>(plan.kv_blocks)) return Verdict::kFits;
  if (left >= 0) return Verdict::kTight;
  const uint64_t on_disk = (blocks - plan.kv_blocks) * plan.memory.block_bytes;
  return on_disk <= plan.disk_bytes ? Verdict::kNeedsDisk : Verdict::kNever;
}

Cell CellOf(const CapacityPlan& plan, const ModelShape& shape, const PlanQuestion& question,
            uint32_t context, uint32_t sessions, const StepForecast* times) {
  const uint64_t one = BlocksOf(context);
  const uint64_t blocks = one * sessions;
  Cell cell{.sessions = sessions};
  cell.verdict = VerdictOf(plan, shape, context, blocks, one);
  cell.kv_bytes = blocks * plan.memory.block_bytes;
  if (blocks > plan.kv_blocks) {
    cell.disk_bytes = (blocks - plan.kv_blocks) * plan.memory.block_bytes;
  }
  if (times == nullptr || cell.verdict == Verdict::kNever) return cell;
  // Those that fit at once run at once; the others wait for their turn.
  const uint64_t running = std::min<uint64_t>(
      {sessions, question.setting.max_sequences, std::max<uint64_t>(1, plan.kv_blocks / one)});
  const auto count = static_cast<uint32_t>(running);
  cell.tokens_per_second = count / times->DecodeSeconds(count, context - 1);
  return cell;
}

ContextRow RowOf(const CapacityPlan& plan, const ModelShape& shape, const PlanQuestion& question,
                 uint32_t context, const StepForecast* times) {
  ContextRow row{.context = context, .kv_bytes = BlocksOf(context) * plan.memory.block_bytes};
  if (times != nullptr && context <= shape.config.context_length) {
    row.first_token = times->PrefillOf(context).seconds;
    row.next_token = times->DecodeSeconds(1, context - 1);
  }
  for (const uint32_t sessions : question.sessions) {
    row.cells.push_back(CellOf(plan, shape, question, context, sessions, times));
  }
  return row;
}

std::vector<FormatRow> FormatRows(const ModelShape& shape, const CapacityPlan& plan) {
  std::vector<FormatRow> rows;
  for (const KvFormat format : {KvFormat::kF16, KvFormat::kK16V8, KvFormat::kQ8}) {
    const uint64_t block = shape.kv(format).block_bytes();
    rows.push_back({.format = format,
                    .token_bytes = block / kBlockTokens,
                    .block_bytes = block,
                    .tokens = plan.memory.BlocksIn(plan.memory_bytes, block) * kBlockTokens});
  }
  return rows;
}

}  // namespace

const char* VerdictName(Verdict verdict) {
  constexpr const char* kNames[] = {"fits", "tight", "needs disk", "never"};
  return kNames[static_cast<uint8_t>(verdict)];
}

Result<CapacityPlan> MakePlan(const ModelShape& shape, const PlanQuestion& asked,
                              const MachineProfile* profile) {
  PlanQuestion question = asked;
  if (Status ok = Complete(shape, question); !ok) return std::unexpected(ok.error());
  CapacityPlan plan;
  plan.memory = ForecastMemory(shape, question.setting);
  plan.memory_bytes = question.memory_bytes;
  plan.kv_format = question.setting.kv_format;
  plan.disk_bytes = question.setting.disk_bytes;
  plan.kv_blocks = plan.memory.BlocksIn(question.memory_bytes);
  plan.kv_bytes = plan.kv_blocks * plan.memory.block_bytes;
  plan.formats = FormatRows(shape, plan);

  std::optional<StepForecast> times;
  const ModelTimes* known = nullptr;
  if (profile != nullptr) {
    const auto found = profile->models.find(shape.Key());
    if (found != profile->models.end()) known = &found->second;
  }
  if (known != nullptr) times.emplace(shape, *known, plan.kv_format, question.pace);
  plan.measured = times.has_value();
  const StepForecast* forecast = times ? &*times : nullptr;
  for (const uint32_t context : question.contexts) {
    plan.rows.push_back(RowOf(plan, shape, question, context, forecast));
  }
  if (times) {
    plan.break_even = BreakEvens(shape, plan, profile->peaks, question.network_gbits, *times);
    plan.times = TimeTerms(shape, plan, profile->peaks, *times);
  }
  plan.changes = Changes(shape, plan, forecast);
  return plan;
}

}  // namespace quire
