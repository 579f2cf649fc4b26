#include "apps/bench/bench_result.h"

#include <algorithm>
#include <numeric>

namespace quire {
namespace {

double Over(double work, double rate) { return rate > 0 ? work / rate : 0; }

// Seconds that a case would take if nothing but one thing bound it.
struct Floors {
  double matrices;
  double attention;
  double reading;
};

Floors FloorsOf(const PassCost& cost, const MachinePeaks& peaks) {
  const double matrices =
      Over(cost.dot_ops, peaks.dot.all_cores) + Over(cost.float_ops, peaks.fma.all_cores);
  const double bandwidth = std::max(peaks.read_huge.all_cores, peaks.read_small.all_cores);
  return {.matrices = matrices,
          .attention = Over(cost.attention_ops, peaks.fma.all_cores) +
                       Over(cost.score_dot_ops, peaks.dot.all_cores),
          .reading = Over(cost.weight_bytes + cost.kv_bytes, bandwidth)};
}

// Of all workers' time.
double ShareOf(const PassTimes& times, PassPhase phase) {
  const auto all = static_cast<double>(std::accumulate(times.ns.begin(), times.ns.end(), 0ull));
  return Over(static_cast<double>(times.of(phase)), all);
}

void FillPhases(const CaseResult& one, CaseFigures& figures) {
  for (size_t phase = 0; phase < kPassPhases; ++phase) {
    Samples shares;
    for (const PassTimes& times : one.times) {
      shares.push_back(ShareOf(times, static_cast<PassPhase>(phase)));
    }
    figures.phases[phase] = Median(shares);
  }
  Samples barriers, outside;
  for (const PassTimes& times : one.times) {
    barriers.push_back(
        Over(static_cast<double>(times.barriers), static_cast<double>(times.passes)));
    outside.push_back(ShareOf(times, PassPhase::kWait) + ShareOf(times, PassPhase::kStart));
  }
  figures.barriers = Median(barriers);
  figures.outside_kernels = Median(outside);
}

}  // namespace

CaseFigures FiguresOf(const BenchResult& result, const CaseResult& one) {
  Samples rates, dots, reads, limits, attention, attention_peak;
  for (size_t round = 0; round < one.seconds.size(); ++round) {
    const double seconds = one.seconds[round];
    const Floors floors = FloorsOf(one.cost, result.peaks[round]);
    const double arithmetic = floors.matrices + floors.attention;
    rates.push_back(one.bench.total_tokens() / seconds);
    dots.push_back(floors.matrices / seconds);
    reads.push_back(floors.reading / seconds);
    limits.push_back(std::max(arithmetic, floors.reading) / seconds);
    attention.push_back(Over(floors.attention, arithmetic));
    const double took = ShareOf(one.times[round], PassPhase::kAttention) * seconds;
    attention_peak.push_back(Over(floors.attention, took));
  }
  CaseFigures figures{.tokens_per_second = Median(rates),
                      .samples = rates,
                      .dot_share = Median(dots),
                      .read_share = Median(reads),
                      .limit_share = Median(limits),
                      .attention_part = Median(attention),
                      .attention_peak_share = Median(attention_peak),
                      .outside_kernels = 0,
                      .barriers = 0,
                      .phases = {}};
  FillPhases(one, figures);
  return figures;
}

}  // namespace quire
