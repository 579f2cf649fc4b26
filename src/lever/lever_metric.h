// lever/lever_metric.h -- what two arms of a lever are compared by.
//
// Of each request a metric is a number, or nothing: one that was refused has no first token, and
// says nothing of it.
//
// Threads  pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ledger/arm_samples.h"

namespace quire {

enum class LeverMetric : uint8_t {
  kFirstTokenMs,
  kDecodeMsPerToken,
  kQueueMs,
  kTotalMs,
  kComputedTokens,
  kKvByteSeconds,
  kPreemptions,
  kHitShare,
  kScore,
  kRefusedShare,
  kErrorShare,
  kUnansweredShare,
};
inline constexpr size_t kLeverMetrics = 12;

enum class LeverStatistic : uint8_t { kMean, kP95 };
std::string_view StatisticName(LeverStatistic statistic);  // "mean"

struct LeverMetricInfo {
  LeverMetric metric;
  std::string_view name;
  bool lower_is_better;
  bool only_mean;  // of each request it is 0 or 1, or nearly so
  std::string_view what;
};
extern const std::array<LeverMetricInfo, kLeverMetrics> kLeverMetricInfos;
const LeverMetricInfo& InfoOf(LeverMetric metric);
std::optional<LeverMetric> FindLeverMetric(std::string_view name);

std::optional<double> ValueOf(LeverMetric metric, const ArmSample& sample);

// Of the requests of one arm that say something.
struct ArmFigure {
  uint64_t count = 0;
  double mean = 0;
  double p95 = 0;  // 19 of 20 are no more; the least number of which that is true
  double Of(LeverStatistic statistic) const {
    return statistic == LeverStatistic::kMean ? mean : p95;
  }
};
ArmFigure Measure(LeverMetric metric, Arm arm, std::span<const ArmSample> samples);

}  // namespace quire
