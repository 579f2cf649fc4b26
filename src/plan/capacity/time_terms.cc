#include "plan/capacity/time_terms.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/size.h"

namespace quire {
namespace {

double Seconds(double amount, double rate) { return rate > 0 ? amount / rate : 0; }

double IdealOf(const PassWork& work, const PeakRates& peaks, double rows) {
  const double arithmetic =
      Seconds(work.dot_ops * rows, peaks.dot_ops) + Seconds(work.float_ops * rows, peaks.fma_ops);
  return std::max(arithmetic, Seconds(work.bytes, peaks.read_bytes));
}

PassWork Sum(const PassWork& a, double times_a, const PassWork& b, double times_b) {
  return {.dot_ops = a.dot_ops * times_a + b.dot_ops * times_b,
          .float_ops = a.float_ops * times_a + b.float_ops * times_b,
          .bytes = a.bytes + b.bytes};
}

std::string Milli(double seconds) { return fmt::format("{:.3g} ms", seconds * 1e3); }

// "118 MB of weights at 22.4 GB/s = 5.3 ms, of which one row reaches 81 %"
std::string Reading(double bytes, const PeakRates& peaks, double took) {
  const double ideal = Seconds(bytes, peaks.read_bytes);
  return fmt::format(
      "{:.1f} MB of weights at this machine's {:.1f} GB/s = {}; one row reaches "
      "{:.0f} % of that rate",
      bytes / 1e6, peaks.read_bytes / 1e9, Milli(ideal), 100 * ideal / took);
}

void AddDecode(const ModelShape& shape, const MatrixWork& work, const CapacityPlan& plan,
               uint32_t context, const PeakRates& peaks, const StepForecast& times,
               std::vector<Term>& terms) {
  const StepPoint& one = times.times().decode.front();
  const std::string at = fmt::format("a token after {}: ", context);
  terms.push_back({at + "layers", one.layers,
                   Reading(work.every_row.bytes + work.logits_only.bytes, peaks, one.layers)});
  terms.push_back({at + "last matrix", one.output, Reading(work.output.bytes, peaks, one.output)});
  const double attended = times.Attended(context - 1);
  const double seconds = attended * times.attention().decode;
  const double position_bytes = static_cast<double>(plan.memory.block_bytes) / kBlockTokens /
                                std::max(1u, shape.config.layers);
  terms.push_back(
      {at + "attention", seconds,
       fmt::format("{:.0f} positions of all layers x {:.0f} bytes = {:.1f} MB of KV, {:.0f} % of "
                   "{:.1f} GB/s",
                   attended, position_bytes, attended * position_bytes / 1e6,
                   100 * Seconds(attended * position_bytes, peaks.read_bytes) / seconds,
                   peaks.read_bytes / 1e9)});
  terms.push_back({at + "choosing and telling it", kTokenSeconds, "measured"});
}

void AddPrefill(const ModelShape& shape, const MatrixWork& work, uint32_t context,
                const PeakRates& peaks, const StepForecast& times, std::vector<Term>& terms) {
  const StepForecast::Prefill prefill = times.PrefillOf(context);
  const double attention = times.AttendedBy(context, 0) * times.attention().chunk;
  const double ops = (work.every_row.dot_ops + work.every_row.float_ops) * context;
  const double ideal = Seconds(work.every_row.dot_ops * context, peaks.dot_ops) +
                       Seconds(work.every_row.float_ops * context, peaks.fma_ops);
  const double output = times.times().chunk.front().output;
  const double layers = prefill.seconds - attention - output - kRequestSeconds;
  const std::string of = fmt::format("a prompt of {}: ", context);
  terms.push_back(
      {of + "layers", layers,
       fmt::format(
           "{:.1f} Gop of products in {} steps of up to {} rows, as for one who comes when nobody "
           "has for {:.0f} s, {:.0f} % of this machine's {:.0f} Gop/s",
           ops / 1e9, prefill.steps, prefill.largest_step, times.pace().pause_seconds,
           100 * ideal / layers, peaks.dot_ops / 1e9)});
  const double attention_ops = times.AttendedBy(context, 0) * 4 * shape.config.query_width();
  terms.push_back(
      {of + "attention", attention,
       fmt::format("{:.2f} million positions of all layers x 4 x {} operations, "
                   "{:.0f} % of {:.0f} Gop/s of float32",
                   times.AttendedBy(context, 0) / 1e6, shape.config.query_width(),
                   100 * Seconds(attention_ops, peaks.fma_ops) / attention, peaks.fma_ops / 1e9)});
  terms.push_back({of + "last matrix, one row", output, Reading(work.output.bytes, peaks, output)});
  terms.push_back({of + "taking it in, telling the first token", kRequestSeconds, "measured"});
}

}  // namespace

double IdealLayers(const MatrixWork& work, const PeakRates& peaks, uint32_t rows,
                   uint32_t outputs) {
  return IdealOf(Sum(work.every_row, rows, work.logits_only, outputs), peaks, 1);
}

double IdealOutput(const MatrixWork& work, const PeakRates& peaks, uint32_t outputs) {
  return IdealOf(work.output, peaks, outputs);
}

std::vector<Term> TimeTerms(const ModelShape& shape, const CapacityPlan& plan,
                            const PeakRates& peaks, const StepForecast& times) {
  std::vector<Term> terms;
  const MatrixWork work = WorkOf(shape);
  const uint32_t context = std::min(plan.rows.front().context, shape.config.context_length);
  AddDecode(shape, work, plan, context, peaks, times, terms);
  AddPrefill(shape, work, context, peaks, times, terms);
  return terms;
}

}  // namespace quire
