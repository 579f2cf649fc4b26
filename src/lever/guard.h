// lever/guard.h -- whether the treatment of a lever is worse than its control by too much.
//
//   too few   an arm has fewer requests that count than the trigger asks for
//   holds     it is not
//   broken    worse > better * ratio + slack: the lever is to be rolled back
//
// Whatever its guardrail looks at, a lever whose requests go unanswered is broken too: one that is
// refused has no time to a first token.
//
// Threads  pure functions.  Cost  n log n in the samples.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "ledger/arm_samples.h"
#include "lever/lever.h"
#include "lever/lever_metric.h"

namespace quire {

enum class GuardVerdict : uint8_t { kTooFew, kHolds, kBroken };
std::string_view GuardVerdictName(GuardVerdict verdict);  // "too_few"

struct GuardFinding {
  GuardVerdict verdict = GuardVerdict::kTooFew;
  LeverMetric metric = LeverMetric::kFirstTokenMs;  // what decided it
  ArmFigure control;
  ArmFigure treatment;
  // How many times worse the treatment is, below 1 if it is better; infinite beside 0.
  double ratio = 1;
  std::string why;  // one sentence with the figures
};
GuardFinding Guard(const Guardrail& guardrail, std::span<const ArmSample> samples);

// How many times worse `treatment` is than `control`.
double WorseBy(LeverMetric metric, double treatment, double control);

}  // namespace quire
