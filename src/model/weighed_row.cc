#include "model/weighed_row.h"

#include <algorithm>

#include "kernels/ops.h"

namespace quire {
namespace {

constexpr size_t kStretch = 64;
constexpr size_t kLanes = 8;

// A chain of n additions errs by less than n 2^-53 of the total, the lanes and stretches here by
// less, and so does the product that makes a target of a share: twice their sum is more than
// enough.
constexpr double kSlackPerToken = 0x1p-51;

double SumOf(const float* weights) {
  double lanes[kLanes] = {};
  for (size_t i = 0; i < kStretch; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += static_cast<double>(weights[i + lane]);
    }
  }
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

}  // namespace

void WeighedRow::Weigh(std::span<const float> logits, const Weighing& weighing) {
  logits_ = logits;
  sums_.resize((logits.size() + kStretch - 1) / kStretch);
  weights_.resize(sums_.size() * kStretch);
  WeighRow(logits, {weighing.max, weighing.temperature, weighing.floor}, weights_.data());
  std::fill(weights_.begin() + static_cast<ptrdiff_t>(logits.size()), weights_.end(), 0.0f);
  total_ = 0;
  for (size_t i = 0; i < sums_.size(); ++i) {
    sums_[i] = SumOf(weights_.data() + i * kStretch);
    total_ += sums_[i];
  }
}

double WeighedRow::slack() const {
  return kSlackPerToken * static_cast<double>(weights_.size()) * total_;
}

std::optional<TokenId> WeighedRow::Draw(double unit) const {
  const double target = unit * total_;
  double sum = 0;
  size_t stretch = 0;
  while (stretch < sums_.size() && sum + sums_[stretch] <= target) sum += sums_[stretch++];
  if (stretch == sums_.size()) return std::nullopt;
  for (size_t i = stretch * kStretch; i < (stretch + 1) * kStretch; ++i) {
    const double before = sum;
    sum += static_cast<double>(weights_[i]);
    if (target >= sum) continue;
    const bool certain = target - before > slack() && sum - target > slack();
    return certain ? std::optional(static_cast<TokenId>(i)) : std::nullopt;
  }
  return std::nullopt;
}

bool WeighedRow::KeepNucleus(float share, std::vector<Candidate>& out) const {
  const double low = LeastOfNucleus(share, total_, logits_.size());
  out.clear();
  for (size_t stretch = 0; stretch < sums_.size(); ++stretch) {
    if (sums_[stretch] < 0.99 * low) continue;
    const size_t end = std::min((stretch + 1) * kStretch, logits_.size());
    for (size_t i = stretch * kStretch; i < end; ++i) {
      if (weights_[i] <= 0 || weights_[i] < low) continue;
      out.push_back({.token = static_cast<TokenId>(i), .logit = logits_[i], .weight = weights_[i]});
    }
  }
  std::ranges::sort(out, BetterCandidate);
  const double wanted = double{share} * total_;
  double sum = 0;
  for (size_t kept = 0; kept < out.size(); ++kept) {
    sum += out[kept].weight;
    if (sum <= wanted - slack()) continue;
    out.resize(kept + 1);
    return sum >= wanted + slack();
  }
  return false;
}

}  // namespace quire
