#include "apps/bench/bench_result.h"

#include <algorithm>

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
          .attention = Over(cost.attention_ops, peaks.fma.all_cores),
          .reading = Over(cost.weight_bytes + cost.kv_bytes, bandwidth)};
}

}  // namespace

CaseFigures FiguresOf(const BenchResult& result, const CaseResult& one) {
  Samples rates, dots, reads, limits, attention;
  for (size_t round = 0; round < one.seconds.size(); ++round) {
    const double seconds = one.seconds[round];
    const Floors floors = FloorsOf(one.cost, result.peaks[round]);
    const double arithmetic = floors.matrices + floors.attention;
    rates.push_back(one.bench.total_tokens() / seconds);
    dots.push_back(floors.matrices / seconds);
    reads.push_back(floors.reading / seconds);
    limits.push_back(std::max(arithmetic, floors.reading) / seconds);
    attention.push_back(Over(floors.attention, arithmetic));
  }
  return {.tokens_per_second = Median(rates),
          .samples = rates,
          .dot_share = Median(dots),
          .read_share = Median(reads),
          .limit_share = Median(limits),
          .attention_part = Median(attention)};
}

}  // namespace quire
