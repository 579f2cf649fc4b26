#include "apps/plan/plan_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/size.h"

namespace quire {
namespace {

using Out = std::back_insert_iterator<std::string>;

std::string SizeText(double bytes) { return FormatSize(static_cast<uint64_t>(bytes)); }

std::string TimeText(double seconds) {
  if (seconds <= 0) return "-";
  if (seconds < 1) return fmt::format("{:.3g} ms", seconds * 1e3);
  if (seconds < 120) return fmt::format("{:.3g} s", seconds);
  return fmt::format("{:.3g} min", seconds / 60);
}

std::string RateText(double rate) { return rate <= 0 ? "-" : fmt::format("{:.4g}/s", rate); }

void Head(const PlanText& text, Out out) {
  const ModelConfig& config = text.shape.config;
  fmt::format_to(out, "{} ({}, {} layers, {} query and {} KV heads of {}, context {})\n",
                 config.name, config.architecture_name, config.layers, config.query_heads,
                 config.kv_heads, config.head_dim, config.context_length);
  if (text.profile == nullptr) return;
  const MachineProfile& profile = *text.profile;
  fmt::format_to(out, "on {}, {} threads, {}: at most {:.0f} Gop/s of bytes, {:.0f} of floats, ",
                 profile.machine.cpu, profile.machine.threads, profile.machine.isa,
                 profile.peaks.dot_ops / 1e9, profile.peaks.fma_ops / 1e9);
  fmt::format_to(out, "{:.1f} GB/s of memory\n", profile.peaks.read_bytes / 1e9);
}

void Memory(const PlanText& text, Out out) {
  const CapacityPlan& plan = text.plan;
  fmt::format_to(out, "\nmemory\n");
  const auto line = [&](const Term& term, double bytes) {
    fmt::format_to(out, "  {:<22}{:>10}", term.name, SizeText(bytes));
    if (text.explain) fmt::format_to(out, "   {}", term.arithmetic);
    fmt::format_to(out, "\n");
  };
  for (const Term& term : plan.memory.fixed) line(term, term.value);
  const uint64_t attention = plan.memory.AttentionBytes(plan.kv_blocks);
  line(plan.memory.attention, static_cast<double>(attention));
  fmt::format_to(out, "  {:<22}{:>10}", "KV", FormatSize(plan.kv_bytes));
  const uint64_t fixed = plan.memory.fixed_bytes() + attention;
  if (text.explain) {
    fmt::format_to(out, "   ({} - {}) / ({} a block + {} bytes to know it by) = {} blocks",
                   FormatSize(plan.memory_bytes), FormatSize(fixed),
                   FormatSize(plan.memory.block_bytes), plan.memory.bookkeeping_bytes,
                   plan.kv_blocks);
  }
  fmt::format_to(out, "\n  {:<22}{:>10}   of {} to plan with\n", "in all",
                 FormatSize(plan.memory.BytesWith(plan.kv_blocks)), FormatSize(plan.memory_bytes));
  if (plan.kv_blocks == 0) {
    fmt::format_to(out, "  nothing is left for KV: {} are needed before the first block\n",
                   FormatSize(fixed));
  }
}

void Formats(const PlanText& text, Out out) {
  fmt::format_to(out, "\n{:<18}{:>12}{:>18}{:>22}\n", "KV", "a token", "a block of 16",
                 "tokens in this memory");
  const KvShape kv = text.shape.kv(text.plan.kv_format);
  for (const FormatRow& row : text.plan.formats) {
    const bool used = row.format == text.plan.kv_format;
    fmt::format_to(out, "  {:<16}{:>12}{:>18}{:>22}\n",
                   fmt::format("{}{}", KvFormatName(row.format), used ? " (used)" : ""),
                   FormatSize(row.token_bytes), FormatSize(row.block_bytes), row.tokens);
  }
  if (!text.explain) return;
  fmt::format_to(out, "  a block: {} layers x {} KV heads x ({} + {}) bytes of keys and values\n",
                 kv.layers, kv.kv_heads, kv.key_head_bytes(), kv.value_head_bytes());
}

std::string CellText(const Cell& cell) {
  std::string text = VerdictName(cell.verdict);
  if (cell.verdict == Verdict::kNeedsDisk) text += " " + FormatSize(cell.disk_bytes);
  return text;
}

// Sessions across, contexts down.
void Grid(const PlanText& text, Out out) {
  const std::vector<ContextRow>& rows = text.plan.rows;
  constexpr int kWidth = 20;
  fmt::format_to(out, "\n{:<10}{:>12}", "context", "one session");
  for (const Cell& cell : rows.front().cells) {
    fmt::format_to(out, "{:>{}}", fmt::format("{} sessions", cell.sessions), kWidth);
  }
  for (const ContextRow& row : rows) {
    fmt::format_to(out, "\n{:<10}{:>12}", row.context, FormatSize(row.kv_bytes));
    for (const Cell& cell : row.cells) fmt::format_to(out, "{:>{}}", CellText(cell), kWidth);
  }
  fmt::format_to(out, "\n");
  if (!text.explain) return;
  fmt::format_to(out,
                 "  fits: in {} of KV with a tenth to spare; tight: in it; needs disk: the rest on "
                 "up to {} of disk;\n  never: more than both, or one alone is more than the memory "
                 "or the model takes\n",
                 FormatSize(text.plan.kv_bytes), FormatSize(text.plan.disk_bytes));
}

void Rates(const PlanText& text, Out out) {
  if (text.profile == nullptr) {
    fmt::format_to(out, "\nno times: {}\n", text.why_no_times);
    return;
  }
  fmt::format_to(out, "\n{:<10}{:>12}{:>13}{:>14}", "context", "first token", "tokens read",
                 "generated");
  for (const Cell& cell : text.plan.rows.front().cells) {
    if (cell.sessions == 1) continue;
    fmt::format_to(out, "{:>12}", fmt::format("by {}", cell.sessions));
  }
  for (const ContextRow& row : text.plan.rows) {
    const double read = row.first_token > 0 ? row.context / row.first_token : 0;
    const double generated = row.next_token > 0 ? 1 / row.next_token : 0;
    fmt::format_to(out, "\n{:<10}{:>12}{:>13}{:>14}", row.context, TimeText(row.first_token),
                   RateText(read), RateText(generated));
    for (const Cell& cell : row.cells) {
      if (cell.sessions == 1) continue;
      fmt::format_to(out, "{:>12}", RateText(cell.tokens_per_second));
    }
  }
  fmt::format_to(out, "\n");
  if (!text.explain) return;
  for (const Term& term : text.plan.times) {
    fmt::format_to(out, "  {}\n    {:>10}  {}\n", term.name, TimeText(term.value), term.arithmetic);
  }
}

void Fetching(const PlanText& text, Out out) {
  if (text.plan.break_even.empty()) return;
  fmt::format_to(out, "\nfetching KV is faster than computing it, from\n");
  for (const BreakEven& one : text.plan.break_even) {
    fmt::format_to(out, "  {:<20}{:>16}", one.place,
                   one.tokens > 0 ? fmt::format("{} tokens", one.tokens) : "never");
    if (text.explain) fmt::format_to(out, "   {}", one.arithmetic);
    fmt::format_to(out, "\n");
  }
}

void ChangeTable(const PlanText& text, Out out) {
  uint32_t longest = 0;
  for (const ContextRow& row : text.plan.rows) longest = std::max(longest, row.context);
  longest = std::min(longest, text.shape.config.context_length);
  fmt::format_to(out, "\n{:<38}{:>12}{:>14}{:>16}{:>14}\n",
                 fmt::format("what would change, at {}", longest), "KV a token", "a session",
                 "such sessions", "generated");
  for (const Change& change : text.plan.changes) {
    const double rate = change.next_token > 0 ? 1 / change.next_token : 0;
    fmt::format_to(out, "  {:<36}{:>12}{:>14}{:>16}{:>14}\n", change.name,
                   SizeText(change.kv_token_bytes), FormatSize(change.context_bytes),
                   change.sessions, RateText(rate));
    if (text.explain && !change.remark.empty()) {
      fmt::format_to(out, "    {}\n", change.remark);
    }
  }
}

void Command(const PlanText& text, Out out) {
  if (text.plan.kv_blocks == 0 || !text.model.ends_with(".gguf")) return;
  fmt::format_to(out, "\n  quire serve {} --kv-memory {}MiB --kv-format {}\n", text.model,
                 std::max<uint64_t>(1, text.plan.kv_bytes / kMiB),
                 KvFormatName(text.plan.kv_format));
}

}  // namespace

std::string PlanTable(const PlanText& text) {
  std::string table;
  const Out out(table);
  Head(text, out);
  Memory(text, out);
  Formats(text, out);
  Grid(text, out);
  Rates(text, out);
  Fetching(text, out);
  ChangeTable(text, out);
  Command(text, out);
  return table;
}

}  // namespace quire
