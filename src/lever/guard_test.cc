#include "lever/guard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <vector>

namespace quire {
namespace {

ArmSample Sample(Arm arm, uint64_t computed) {
  ArmSample sample;
  sample.arm = arm;
  sample.prompt_tokens = computed;
  sample.computed_tokens = computed;
  sample.generated_tokens = 5;
  return sample;
}

Guardrail On(LeverMetric metric, double ratio, uint32_t at_least = 2) {
  Guardrail guardrail;
  guardrail.metric = metric;
  guardrail.trigger.ratio = ratio;
  guardrail.trigger.at_least = at_least;
  return guardrail;
}

std::vector<ArmSample> Computed(std::vector<uint64_t> control, std::vector<uint64_t> treatment) {
  std::vector<ArmSample> samples;
  for (const uint64_t tokens : control) samples.push_back(Sample(Arm::kControl, tokens));
  for (const uint64_t tokens : treatment) samples.push_back(Sample(Arm::kTreatment, tokens));
  return samples;
}

TEST(Guard, BreaksBeyondTheRatioAndNoSooner) {
  const Guardrail guardrail = On(LeverMetric::kComputedTokens, 1.5);
  const auto verdict = [&](std::vector<uint64_t> treatment) {
    return Guard(guardrail, Computed({100, 100}, std::move(treatment))).verdict;
  };
  EXPECT_EQ(verdict({150, 150}), GuardVerdict::kHolds);
  EXPECT_EQ(verdict({150, 152}), GuardVerdict::kBroken);
  EXPECT_EQ(verdict({1000}), GuardVerdict::kTooFew);
  EXPECT_EQ(verdict({}), GuardVerdict::kTooFew);
  const GuardFinding finding = Guard(guardrail, Computed({100, 100}, {200, 200}));
  EXPECT_EQ(finding.ratio, 2);
  EXPECT_EQ(finding.why,
            "mean of computed_tokens: 200 over 2 requests of the treatment, 100 over 2 of the "
            "control; 2 times worse, more than the 1.5 that are allowed");
}

TEST(Guard, SlackIsForWhatIsNearNothing) {
  Guardrail guardrail = On(LeverMetric::kPreemptions, 1.5);
  auto samples = Computed({1, 1}, {1, 1});
  samples[2].preemptions = 1;
  EXPECT_EQ(Guard(guardrail, samples).verdict, GuardVerdict::kBroken);
  EXPECT_TRUE(std::isinf(Guard(guardrail, samples).ratio));
  guardrail.trigger.slack = 0.5;
  EXPECT_EQ(Guard(guardrail, samples).verdict, GuardVerdict::kHolds);
  samples[3].preemptions = 1;
  EXPECT_EQ(Guard(guardrail, samples).verdict, GuardVerdict::kBroken);
}

TEST(Guard, MoreIsBetterForHitsAndScores) {
  auto samples = Computed({50, 50}, {50, 50});
  for (ArmSample& sample : samples) {
    sample.prompt_tokens = 100;
    sample.found_tokens = sample.arm == Arm::kControl ? 50 : 20;
    sample.score = sample.arm == Arm::kControl ? 0.5 : 1.0;
  }
  EXPECT_EQ(Guard(On(LeverMetric::kHitShare, 1.5), samples).verdict, GuardVerdict::kBroken);
  EXPECT_EQ(Guard(On(LeverMetric::kHitShare, 3), samples).verdict, GuardVerdict::kHolds);
  EXPECT_EQ(Guard(On(LeverMetric::kScore, 1.1), samples).verdict, GuardVerdict::kHolds);
  EXPECT_EQ(Guard(On(LeverMetric::kScore, 1.1), samples).ratio, 0.5) << "twice as good";
}

TEST(Guard, WhatGoesUnansweredBreaksItWhateverItLooksAt) {
  std::vector<ArmSample> samples = Computed(std::vector<uint64_t>(40, 100), {});
  for (int i = 0; i < 40; ++i) {
    ArmSample refused;
    refused.arm = Arm::kTreatment;
    refused.outcome = i % 2 == 0 ? LedgerOutcome::kRefused : LedgerOutcome::kError;
    samples.push_back(refused);
  }
  const GuardFinding finding = Guard(On(LeverMetric::kFirstTokenMs, 1.5, 30), samples);
  EXPECT_EQ(finding.verdict, GuardVerdict::kBroken);
  EXPECT_EQ(finding.metric, LeverMetric::kUnansweredShare);
  EXPECT_NE(finding.why.find("unanswered_share: 1 over 40"), std::string::npos) << finding.why;
  samples = Computed(std::vector<uint64_t>(40, 100), std::vector<uint64_t>(40, 100));
  samples.back().outcome = LedgerOutcome::kError;
  EXPECT_EQ(Guard(On(LeverMetric::kFirstTokenMs, 1.5, 30), samples).verdict, GuardVerdict::kHolds)
      << "one of forty says nothing";
}

TEST(LeverMetric, RequestsSayOnlyWhatTheyCan) {
  ArmSample refused;
  refused.outcome = LedgerOutcome::kRefused;
  for (const LeverMetricInfo& info : kLeverMetricInfos) {
    const auto value = ValueOf(info.metric, refused);
    const bool counts = info.name.ends_with("ed_share") || info.name == "error_share";
    EXPECT_EQ(value.has_value(), counts) << info.name;
    EXPECT_EQ(FindLeverMetric(info.name), info.metric);
    EXPECT_EQ(InfoOf(info.metric).name, info.name);
  }
  EXPECT_FALSE(FindLeverMetric("ttft"));
  ArmSample one = Sample(Arm::kControl, 30);
  one.found_tokens = 10;
  one.prompt_tokens = 40;
  one.decode_ms = 80;
  EXPECT_EQ(ValueOf(LeverMetric::kDecodeMsPerToken, one), 20);
  EXPECT_EQ(ValueOf(LeverMetric::kHitShare, one), 0.25);
  one.generated_tokens = 1;
  EXPECT_FALSE(ValueOf(LeverMetric::kDecodeMsPerToken, one));
}

// The same said plainly: what each request says, sorted, and the two arms side by side.
struct Naive {
  std::vector<double> values[2];

  Naive(LeverMetric metric, const std::vector<ArmSample>& samples) {
    for (const ArmSample& sample : samples) {
      const auto value = ValueOf(metric, sample);
      if (value) values[sample.arm == Arm::kTreatment].push_back(*value);
    }
    for (auto& arm : values) std::ranges::sort(arm);
  }
  double Of(bool treatment, bool p95) const {
    const std::vector<double>& arm = values[treatment];
    if (p95) {
      size_t below = 0;
      while (20 * (below + 1) < 19 * arm.size()) ++below;  // this one and those before are too few
      return arm[below];
    }
    double sum = 0;
    for (const double value : arm) sum += value;
    return sum / static_cast<double>(arm.size());
  }
  // Nothing: it is too near to be told by doubles.
  std::optional<bool> Broken(LeverMetric metric, bool p95, const RollbackTrigger& trigger) const {
    if (std::min(values[0].size(), values[1].size()) < trigger.at_least) return false;
    const bool lower = metric != LeverMetric::kHitShare && metric != LeverMetric::kScore;
    const double better = Of(!lower, p95);
    const double worse = Of(lower, p95);
    const double most = better * trigger.ratio + trigger.slack;
    if (std::abs(worse - most) < 1e-9 * std::max(worse, 1.0)) return std::nullopt;
    return worse > most;
  }
};

TEST(Guard, EqualsANaiveModel) {
  std::mt19937 random(1);
  const auto real = [&](double most) { return std::uniform_real_distribution(0.0, most)(random); };
  uint32_t broken_count = 0;
  uint32_t few_count = 0;
  for (int round = 0; round < 5000; ++round) {
    const LeverMetricInfo& info = kLeverMetricInfos[random() % kLeverMetrics];
    Guardrail guardrail = On(info.metric, 1 + real(1), 1 + random() % 20);
    guardrail.trigger.slack = random() % 2 == 0 ? 0 : real(0.2);
    const bool p95 = !info.only_mean && random() % 2 == 0;
    guardrail.statistic = p95 ? LeverStatistic::kP95 : LeverStatistic::kMean;
    std::vector<ArmSample> samples(random() % 60);
    for (ArmSample& sample : samples) {
      sample.arm = random() % 3 == 0 ? Arm::kTreatment : Arm::kControl;
      sample.outcome = static_cast<LedgerOutcome>(random() % 40 < 36 ? 0 : random() % 5);
      sample.computed_tokens = random() % 4 * (random() % 50);
      sample.found_tokens = random() % 50;
      sample.prompt_tokens = sample.computed_tokens + sample.found_tokens;
      sample.generated_tokens = random() % 4;
      for (double* field : {&sample.queue_ms, &sample.first_token_ms, &sample.decode_ms,
                            &sample.total_ms, &sample.kv_byte_seconds}) {
        *field = real(100);
      }
      sample.preemptions = random() % 2;
      if (random() % 2 == 0) sample.score = real(1);
    }
    RollbackTrigger unanswered = guardrail.trigger;
    unanswered.slack = 0.05;
    constexpr LeverMetric kUnanswered = LeverMetric::kUnansweredShare;
    const auto aside = Naive(kUnanswered, samples).Broken(kUnanswered, false, unanswered);
    const auto own = Naive(info.metric, samples).Broken(info.metric, p95, guardrail.trigger);
    if (!aside || !own) continue;
    const GuardFinding finding = Guard(guardrail, samples);
    ASSERT_EQ(finding.verdict == GuardVerdict::kBroken, *aside || *own)
        << round << " " << finding.why;
    broken_count += *aside || *own;
    few_count += finding.verdict == GuardVerdict::kTooFew;
  }
  EXPECT_GT(broken_count, 500u);
  EXPECT_GT(few_count, 500u);
}

}  // namespace
}  // namespace quire
