#include "lever/guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace quire {

namespace {

// Of 20 requests one may fail without a word against the lever.
constexpr double kUnansweredSlack = 0.05;

GuardFinding Compare(const Guardrail& guardrail, std::span<const ArmSample> samples) {
  const RollbackTrigger& trigger = guardrail.trigger;
  GuardFinding finding;
  finding.metric = guardrail.metric;
  finding.control = Measure(guardrail.metric, Arm::kControl, samples);
  finding.treatment = Measure(guardrail.metric, Arm::kTreatment, samples);
  const double control = finding.control.Of(guardrail.statistic);
  const double treatment = finding.treatment.Of(guardrail.statistic);
  if (finding.control.count > 0 && finding.treatment.count > 0) {
    finding.ratio = WorseBy(guardrail.metric, treatment, control);
  }
  const bool lower = InfoOf(guardrail.metric).lower_is_better;
  const double worse = lower ? treatment : control;
  const double better = lower ? control : treatment;
  if (std::min(finding.control.count, finding.treatment.count) < trigger.at_least) {
    finding.verdict = GuardVerdict::kTooFew;
  } else {
    const bool broken = worse > better * trigger.ratio + trigger.slack;
    finding.verdict = broken ? GuardVerdict::kBroken : GuardVerdict::kHolds;
  }
  finding.why = fmt::format(
      "{} of {}: {:.4g} over {} requests of the treatment, {:.4g} over {} of "
      "the control",
      StatisticName(guardrail.statistic), InfoOf(guardrail.metric).name, treatment,
      finding.treatment.count, control, finding.control.count);
  return finding;
}

std::string Reason(const GuardFinding& finding, const Guardrail& guardrail) {
  const RollbackTrigger& trigger = guardrail.trigger;
  const std::string slack = trigger.slack > 0 ? fmt::format(" and {} more", trigger.slack) : "";
  switch (finding.verdict) {
    case GuardVerdict::kTooFew:
      return fmt::format("; each arm needs {} before anything is said", trigger.at_least);
    case GuardVerdict::kHolds:
      return fmt::format("; {:.3g} times worse, {}{} are allowed", finding.ratio, trigger.ratio,
                         slack);
    case GuardVerdict::kBroken:
      return fmt::format("; {:.3g} times worse, more than the {}{} that are allowed", finding.ratio,
                         trigger.ratio, slack);
  }
  return "";
}

}  // namespace

std::string_view GuardVerdictName(GuardVerdict verdict) {
  switch (verdict) {
    case GuardVerdict::kTooFew:
      return "too_few";
    case GuardVerdict::kHolds:
      return "holds";
    case GuardVerdict::kBroken:
      return "broken";
  }
  return "";
}

double WorseBy(LeverMetric metric, double treatment, double control) {
  const bool lower = InfoOf(metric).lower_is_better;
  const double worse = lower ? treatment : control;
  const double better = lower ? control : treatment;
  if (worse == better) return 1;
  return better == 0 ? std::numeric_limits<double>::infinity() : worse / better;
}

GuardFinding Guard(const Guardrail& guardrail, std::span<const ArmSample> samples) {
  Guardrail unanswered = guardrail;
  unanswered.metric = LeverMetric::kUnansweredShare;
  unanswered.statistic = LeverStatistic::kMean;
  unanswered.trigger.slack = kUnansweredSlack;
  GuardFinding finding = Compare(unanswered, samples);
  const Guardrail* decides = &unanswered;
  if (finding.verdict != GuardVerdict::kBroken) {
    finding = Compare(guardrail, samples);
    decides = &guardrail;
  }
  finding.why += Reason(finding, *decides);
  return finding;
}

}  // namespace quire
