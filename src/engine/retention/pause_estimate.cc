#include "engine/retention/pause_estimate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace quire {

namespace {

constexpr TickMs kExpectedMs = 30'000;  // where nothing is known
constexpr double kExpectedWeight = 2;   // in pauses
constexpr double kFading = 1.0 / 128;   // of all weights, with each pause that is noted
constexpr double kMost = 0.95;          // share of pauses that the bound covers
constexpr double kSpare = 1.5;

}  // namespace

PauseEstimate::PauseEstimate() { weights_[ClassOf(kExpectedMs)] = kExpectedWeight; }

size_t PauseEstimate::ClassOf(TickMs pause_ms) {
  const double ratio = static_cast<double>(pause_ms) / kFirstMs;
  if (ratio <= 1) return 0;
  return std::min(kClasses - 1, static_cast<size_t>(std::ceil(2 * std::log2(ratio))));
}

void PauseEstimate::Note(TickMs pause_ms) {
  for (double& weight : weights_) weight *= 1 - kFading;
  weights_[ClassOf(pause_ms)] += 1;
}

TickMs PauseEstimate::Bound() const {
  const double all = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  double below = 0;
  size_t last = 0;
  for (size_t i = 0; i < kClasses && below < kMost * all; ++i) {
    below += weights_[i];
    last = i;
  }
  const double longest_ms = kFirstMs * std::exp2(static_cast<double>(last) / 2);
  return static_cast<TickMs>(std::ceil(kSpare * longest_ms));
}

}  // namespace quire
