#include "model/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/ops.h"

namespace quire {
namespace {

// The largest of a row, NaN left out, in lanes that a compiler turns into vectors.
float Largest(std::span<const float> logits) {
  constexpr size_t kLanes = 16;
  float lanes[kLanes];
  std::fill_n(lanes, kLanes, -std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = logits[i + lane] > lanes[lane] ? logits[i + lane] : lanes[lane];
    }
  }
  for (; i < logits.size(); ++i) lanes[0] = logits[i] > lanes[0] ? logits[i] : lanes[0];
  return *std::max_element(lanes, lanes + kLanes);
}

}  // namespace

bool BetterCandidate(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

TokenId ArgMax(std::span<const float> logits) {
  const auto found = std::ranges::find(logits, Largest(logits));
  return found == logits.end() ? 0 : static_cast<TokenId>(found - logits.begin());
}

void SelectTop(std::span<const float> logits, uint32_t count, std::vector<Candidate>& out) {
  out.clear();
  if (count == 0) return;
  // A heap of the best so far, the worst of them on top: most tokens fail one comparison.
  for (size_t i = 0; i < logits.size(); ++i) {
    const float logit = logits[i];
    if (std::isnan(logit)) continue;
    if (out.size() == count) {
      if (logit <= out.front().logit) continue;  // a tie goes to the lower id, which is in
      std::ranges::pop_heap(out, BetterCandidate);
      out.pop_back();
    }
    out.push_back({.token = static_cast<TokenId>(i), .logit = logit});
    std::ranges::push_heap(out, BetterCandidate);
  }
  std::ranges::sort_heap(out, BetterCandidate);
}

void SelectAbove(std::span<const float> logits, const Weighing& weighing,
                 std::vector<Candidate>& out) {
  out.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] >= weighing.floor)) continue;
    out.push_back({.token = static_cast<TokenId>(i), .logit = logits[i]});
  }
  Weigh(weighing, out);
}

void Weigh(const Weighing& weighing, std::span<Candidate> candidates) {
  for (Candidate& candidate : candidates) {
    const float scaled = (candidate.logit - weighing.max) / weighing.temperature;
    candidate.weight = scaled > -80 ? Exp(scaled) : 0;
  }
}

void KeepNucleus(float share, double total, std::vector<Candidate>& candidates) {
  const double low = LeastOfNucleus(share, total, candidates.size());  // only the rest is sorted
  std::erase_if(candidates, [low](const Candidate& c) { return c.weight < low; });
  std::ranges::sort(candidates, BetterCandidate);
  double sum = 0;
  size_t kept = 0;
  while (kept < candidates.size() && (kept == 0 || sum < share * total)) {
    sum += candidates[kept++].weight;
  }
  candidates.resize(kept);
}

double LeastOfNucleus(float share, double total, size_t count) {
  return 0.999 * (1 - double{share}) * total / static_cast<double>(std::max<size_t>(count, 1));
}

double TotalWeight(std::span<const Candidate> candidates) {
  double total = 0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  return total;
}

TokenId Draw(std::span<const Candidate> candidates, double unit) {
  const double target = unit * TotalWeight(candidates);
  double sum = 0;
  TokenId last = candidates.front().token;
  for (const Candidate& candidate : candidates) {
    if (candidate.weight <= 0) continue;
    sum += candidate.weight;
    last = candidate.token;
    if (target < sum) break;
  }
  return last;
}

}  // namespace quire
