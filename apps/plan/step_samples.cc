#include "apps/plan/step_samples.h"

#include <numeric>

#include "base/check.h"

namespace quire {

double MedianOfMeans(const Samples& samples, size_t rounds) {
  QUIRE_CHECK(rounds > 0 && !samples.empty() && samples.size() % rounds == 0,
              "each round has as many samples");
  const size_t each = samples.size() / rounds;
  Samples means;
  for (auto at = samples.begin(); at != samples.end(); at += static_cast<std::ptrdiff_t>(each)) {
    const auto end = at + static_cast<std::ptrdiff_t>(each);
    means.push_back(std::accumulate(at, end, 0.0) / static_cast<double>(each));
  }
  return Median(means);
}

}  // namespace quire
