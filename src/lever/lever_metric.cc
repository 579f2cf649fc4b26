#include "lever/lever_metric.h"

#include <algorithm>
#include <vector>

namespace quire {

namespace {

bool Began(const ArmSample& sample) { return sample.found_tokens + sample.computed_tokens > 0; }

std::optional<double> If(bool says_something, double value) {
  return says_something ? std::optional(value) : std::nullopt;
}

double Real(uint64_t count) { return static_cast<double>(count); }

}  // namespace

const std::array<LeverMetricInfo, kLeverMetrics> kLeverMetricInfos = {{
    {LeverMetric::kFirstTokenMs, "first_token_ms", true, false, "time to the first token"},
    {LeverMetric::kDecodeMsPerToken, "decode_ms_per_token", true, false,
     "time between two tokens of an answer"},
    {LeverMetric::kQueueMs, "queue_ms", true, false, "time before it began"},
    {LeverMetric::kTotalMs, "total_ms", true, false, "time until its end"},
    {LeverMetric::kComputedTokens, "computed_tokens", true, false, "prompt tokens computed"},
    {LeverMetric::kKvByteSeconds, "kv_byte_seconds", true, false, "KV memory held over time"},
    {LeverMetric::kPreemptions, "preemptions", true, false, "how often it lost its blocks"},
    {LeverMetric::kHitShare, "hit_share", false, true, "of its prompt, what was not computed"},
    {LeverMetric::kScore, "score", false, true, "what its user said of it"},
    {LeverMetric::kRefusedShare, "refused_share", true, true, "refused"},
    {LeverMetric::kErrorShare, "error_share", true, true, "failed"},
    {LeverMetric::kUnansweredShare, "unanswered_share", true, true, "refused or failed"},
}};

std::string_view StatisticName(LeverStatistic statistic) {
  return statistic == LeverStatistic::kMean ? "mean" : "p95";
}

const LeverMetricInfo& InfoOf(LeverMetric metric) {
  return *std::ranges::find(kLeverMetricInfos, metric, &LeverMetricInfo::metric);
}

std::optional<LeverMetric> FindLeverMetric(std::string_view name) {
  const auto found = std::ranges::find(kLeverMetricInfos, name, &LeverMetricInfo::name);
  if (found == kLeverMetricInfos.end()) return std::nullopt;
  return found->metric;
}

std::optional<double> ValueOf(LeverMetric metric, const ArmSample& sample) {
  const bool refused = sample.outcome == LedgerOutcome::kRefused;
  const bool failed = sample.outcome == LedgerOutcome::kError;
  const uint64_t generated = sample.generated_tokens;
  switch (metric) {
    case LeverMetric::kFirstTokenMs:
      return If(generated > 0, sample.first_token_ms);
    case LeverMetric::kDecodeMsPerToken:
      return If(generated > 1, sample.decode_ms / Real(std::max<uint64_t>(generated, 2) - 1));
    case LeverMetric::kQueueMs:
      return If(Began(sample), sample.queue_ms);
    case LeverMetric::kTotalMs:
      return If(Began(sample), sample.total_ms);
    case LeverMetric::kComputedTokens:
      return If(Began(sample), Real(sample.computed_tokens));
    case LeverMetric::kKvByteSeconds:
      return If(Began(sample), sample.kv_byte_seconds);
    case LeverMetric::kPreemptions:
      return If(Began(sample), Real(sample.preemptions));
    case LeverMetric::kHitShare:
      return If(Began(sample),
                Real(sample.found_tokens) / Real(std::max<uint64_t>(sample.prompt_tokens, 1)));
    case LeverMetric::kScore:
      return sample.score;
    case LeverMetric::kRefusedShare:
      return refused ? 1 : 0;
    case LeverMetric::kErrorShare:
      return failed ? 1 : 0;
    case LeverMetric::kUnansweredShare:
      return refused || failed ? 1 : 0;
  }
  return std::nullopt;
}

ArmFigure Measure(LeverMetric metric, Arm arm, std::span<const ArmSample> samples) {
  std::vector<double> values;
  for (const ArmSample& sample : samples) {
    if (sample.arm != arm) continue;
    if (const auto value = ValueOf(metric, sample)) values.push_back(*value);
  }
  ArmFigure figure{.count = values.size()};
  if (values.empty()) return figure;
  for (const double value : values) figure.mean += value;
  figure.mean /= Real(values.size());
  const size_t rank = (values.size() * 19 + 19) / 20;  // 1 is the least
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank - 1);
  std::ranges::nth_element(values, at);
  figure.p95 = *at;
  return figure;
}

}  // namespace quire
