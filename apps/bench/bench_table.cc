// What people read of a bench.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "apps/bench/bench_result.h"
#include "base/size.h"

namespace quire {
namespace {

// Others may keep this many cores busy before people are warned.
constexpr double kQuietCores = 0.1;

using Out = std::back_insert_iterator<std::string>;

template <typename Pick>
double MedianPeak(const BenchResult& result, const Pick& pick) {
  Samples samples;
  for (const MachinePeaks& peaks : result.peaks) samples.push_back(pick(peaks));
  return Median(samples);
}

void PeakLine(const BenchResult& result, Out out, const std::string& name, const char* unit,
              PeakRate MachinePeaks::* rate) {
  constexpr double kGiga = 1e9;
  const double one = MedianPeak(result, [&](const auto& peaks) { return (peaks.*rate).one_core; });
  const double all = MedianPeak(result, [&](const auto& peaks) { return (peaks.*rate).all_cores; });
  if (one == 0) return;
  fmt::format_to(out, "{:<30}{:>12.1f}{:>12.1f} {}\n", name, one / kGiga, all / kGiga, unit);
}

void Peaks(const BenchResult& result, Out out) {
  const uint32_t threads = result.setting.threads;
  fmt::format_to(out, "{:<30}{:>12}{:>12}\n", "this machine at most", "one core",
                 fmt::format("{} thread{}", threads, threads == 1 ? "" : "s"));
  const std::string& isa = result.setting.peak_isa;
  PeakLine(result, out, fmt::format("  byte dot, {}", isa), "Gop/s", &MachinePeaks::dot);
  PeakLine(result, out, fmt::format("  float32 FMA, {}", isa), "Gop/s", &MachinePeaks::fma);
  PeakLine(result, out, "  read, 2 MiB pages", "GB/s", &MachinePeaks::read_huge);
  PeakLine(result, out, "  read, 4 KiB pages", "GB/s", &MachinePeaks::read_small);
  const double barrier =
      MedianPeak(result, [](const MachinePeaks& peaks) { return peaks.barrier_seconds; });
  if (threads > 1) {
    fmt::format_to(out, "{:<30}{:>12}{:>12.2f} us\n", "  meeting at a barrier", "", barrier * 1e6);
  }
}

std::string NameOf(const BenchCase& bench) {
  if (bench.prefill()) return fmt::format("prefill {}", bench.tokens);
  std::string name = fmt::format("decode {}", bench.tokens);
  if (bench.depth > 0) name += fmt::format(" at depth {}", bench.depth);
  if (bench.clients > 1) name += fmt::format(", {} clients", bench.clients);
  if (bench.shared_prefix > 0) name += fmt::format(", {} shared", bench.shared_prefix);
  return name;
}

std::string Percent(double share) {
  return share == 0 ? "-" : fmt::format("{:.0f} %", share * 100);
}

void Cases(const BenchResult& result, Out out) {
  size_t width = 20;
  for (const CaseResult& one : result.cases) width = std::max(width, NameOf(one.bench).size());
  fmt::format_to(out, "\n{:<{}}{:>9}{:>17}{:>7}{:>7}{:>7}{:>7}\n", "tokens a second", width + 2,
                 "median", "least-greatest", "dot", "read", "both", "attn");
  for (const CaseResult& one : result.cases) {
    const CaseFigures figures = FiguresOf(result, one);
    const auto [least, greatest] = std::ranges::minmax(figures.samples);
    fmt::format_to(out, "  {:<{}}{:>9.1f}{:>17}{:>7}{:>7}{:>7}{:>7}\n", NameOf(one.bench), width,
                   figures.tokens_per_second, fmt::format("{:.1f}-{:.1f}", least, greatest),
                   Percent(figures.dot_share), Percent(figures.read_share),
                   Percent(figures.limit_share), Percent(figures.attention_part));
  }
}

// The order of PassPhase, in few letters.
constexpr std::array<const char*, kPassPhases> kPhases = {"start", "rows", "qkv",   "attn", "out",
                                                          "gate",  "down", "logit", "wait"};

void Phases(const BenchResult& result, Out out) {
  size_t width = 20;
  for (const CaseResult& one : result.cases) width = std::max(width, NameOf(one.bench).size());
  fmt::format_to(out, "\n{:<{}}", "workers' time, %", width + 2);
  for (const char* name : kPhases) fmt::format_to(out, "{:>6}", name);
  for (const CaseResult& one : result.cases) {
    fmt::format_to(out, "\n  {:<{}}", NameOf(one.bench), width);
    for (const double share : FiguresOf(result, one).phases) {
      fmt::format_to(out, "{:>6.0f}", share * 100);
    }
  }
  fmt::format_to(out, "\n");
}

void Steps(const BenchResult& result, Out out) {
  for (const CaseResult& one : result.cases) {
    if (one.bench.prefill()) continue;
    const double steps = one.bench.tokens;
    fmt::format_to(out, "  a step of {} reads {} of weights and {} of KV\n", NameOf(one.bench),
                   FormatSize(static_cast<uint64_t>(one.cost.weight_bytes / steps)),
                   FormatSize(static_cast<uint64_t>(one.cost.kv_bytes / steps)));
  }
}

}  // namespace

std::string BenchTable(const BenchResult& result) {
  std::string text;
  const Out out(text);
  const BenchSetting& setting = result.setting;
  const BenchMemory& memory = result.memory;
  fmt::format_to(out, "{} ({}), file {}; KV {}, numerics {}\n", setting.model_name,
                 setting.architecture, FormatSize(memory.file_bytes), setting.kv_format,
                 setting.numerics);
  fmt::format_to(out, "quire {}, {} kernels, {} threads on {}; {}\n\n", setting.version,
                 setting.isa, setting.threads, setting.cpu, setting.system);
  Peaks(result, out);
  Cases(result, out);
  fmt::format_to(
      out,
      "\ndot: the matrices at the byte-dot peak, by the time taken (float weights: FMA)\n"
      "read: weights and KV, once a pass, at the best read rate of all threads, by the time\n"
      "both: all arithmetic or all reading at its peak, whichever takes longer, by the time\n"
      "attn: the part of attention in all arithmetic, at the peaks\n");
  Steps(result, out);
  Phases(result, out);
  fmt::format_to(out, "\nmemory: {} weights + {} KV + {} buffers; at most {} resident\n",
                 FormatSize(memory.weight_bytes), FormatSize(memory.kv_bytes),
                 FormatSize(memory.buffer_bytes), FormatSize(memory.peak_resident_bytes));
  if (result.other_cores > kQuietCores) {
    fmt::format_to(out,
                   "\nother processes kept {:.1f} cores busy meanwhile: expect too low rates\n",
                   result.other_cores);
  }
  return text;
}

}  // namespace quire
