#include <cmath>
#include <cstdint>

#include "base/check.h"
#include "kernels/ops.h"

namespace quire {
namespace {

constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
constexpr double kHalfPiHigh = 0x1.921fb54442d18p+0;
constexpr double kHalfPiLow = 0x1.1a62633145c07p-54;

// Adding this rounds a double of magnitude below 2^51 to the nearest integer, ties to even, and
// leaves that integer in the low bits.
constexpr double kRounder = 0x1.8p52;

struct Turn {
  double rest;       // in [-pi/4, pi/4]
  uint32_t quarter;  // angle = rest + quarter * pi/2, quarter mod 4
};

// `low` is what the double `angle` lacks to the true one. The first step is exact: `angle` and
// n * pi/2 cancel to a value below 1 whose last bit is at least 2^-52.
Turn ReduceAngle(double angle, double low) {
  const double n = (angle * kTwoOverPi + kRounder) - kRounder;
  double rest = std::fma(-n, kHalfPiHigh, angle);
  rest = std::fma(-n, kHalfPiLow, rest + low);
  return {rest, static_cast<uint32_t>(static_cast<int64_t>(n)) & 3u};
}

// Taylor series; the first term left out is below 1e-16 at pi/4.
constexpr double kSinTerms[] = {-1.0 / 6,           1.0 / 120,       -1.0 / 5040,
                                1.0 / 362880,       -1.0 / 39916800, 1.0 / 6227020800.0,
                                -1.0 / 1307674368e3};
constexpr double kCosTerms[] = {
    -1.0 / 2,       1.0 / 24,        -1.0 / 720,           1.0 / 40320,
    -1.0 / 3628800, 1.0 / 479001600, -1.0 / 87178291200.0, 1.0 / 20922789888e3};

template <size_t kTerms>
double Series(const double (&terms)[kTerms], double square) {
  double sum = terms[kTerms - 1];
  for (size_t i = kTerms - 1; i-- > 0;) {
    sum = sum * square + terms[i];
  }
  return sum * square;
}

}  // namespace

void FillRopeTable(uint32_t position, std::span<const double> inverse_frequency, float magnitude,
                   float* cos_sin) {
  float* const cos_out = cos_sin;
  float* const sin_out = cos_sin + inverse_frequency.size();
  const double place = position;
  for (size_t i = 0; i < inverse_frequency.size(); ++i) {
    const double angle = place * inverse_frequency[i];
    QUIRE_CHECK(angle >= 0 && angle < kMaxRopeAngle, "rope frequency out of range");
    const Turn turn = ReduceAngle(angle, std::fma(place, inverse_frequency[i], -angle));
    const double square = turn.rest * turn.rest;
    const double sin_rest = turn.rest + turn.rest * Series(kSinTerms, square);
    const double cos_rest = 1.0 + Series(kCosTerms, square);
    const bool swapped = (turn.quarter & 1) != 0;
    const double cosine = swapped ? sin_rest : cos_rest;
    const double sine = swapped ? cos_rest : sin_rest;
    // cos changes sign in quarters 1 and 2, sin in 2 and 3.
    const bool cos_negative = turn.quarter == 1 || turn.quarter == 2;
    const bool sin_negative = turn.quarter >= 2;
    cos_out[i] = static_cast<float>((cos_negative ? -cosine : cosine) * magnitude);
    sin_out[i] = static_cast<float>((sin_negative ? -sine : sine) * magnitude);
  }
}

}  // namespace quire
