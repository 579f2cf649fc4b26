#include "engine/step_cost.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace quire {

namespace {

constexpr double kMostSteps = 8;       // that the mean of a cell remembers
constexpr double kFactorWeight = 0.2;  // of the newest step
// One step says no more than this of the machine: it may have been interrupted.
constexpr double kMostSlower = 2;
constexpr double kMostFactor = 8;
// Where the shapes do not tell the terms apart, it is the rows that cost.
constexpr double kRidge = 1e-4;

using Terms = std::array<double, 3>;
using Matrix = std::array<Terms, 3>;

// Solves the symmetric system for the terms in `used`; the others are 0.
Terms Solve(const Matrix& a, const Terms& b, const std::array<bool, 3>& used) {
  Matrix m = a;
  Terms x = b;
  for (size_t i = 0; i < 3; ++i) {
    if (used[i]) continue;
    for (size_t j = 0; j < 3; ++j) m[i][j] = m[j][i] = i == j ? 1 : 0;
    x[i] = 0;
  }
  for (size_t i = 0; i < 3; ++i) {  // positive definite: no pivots needed
    for (size_t j = i + 1; j < 3; ++j) {
      const double share = m[j][i] / m[i][i];
      for (size_t k = i; k < 3; ++k) m[j][k] -= share * m[i][k];
      x[j] -= share * x[i];
    }
  }
  for (size_t i = 3; i-- > 0;) {
    for (size_t j = i + 1; j < 3; ++j) x[i] -= m[i][j] * x[j];
    x[i] /= m[i][i];
  }
  return x;
}

}  // namespace

StepCost::Cell& StepCost::CellOf(const StepShape& shape) {
  const size_t row_class = std::bit_width(shape.rows);
  const size_t position_class = std::bit_width(shape.positions / shape.rows);
  return cells_[std::min(row_class, kRowClasses - 1)]
               [std::min(position_class, kPositionClasses - 1)];
}

void StepCost::Note(const StepShape& shape, double seconds) {
  if (shape.rows == 0 || seconds <= 0) return;
  if (const double expected = Seconds(shape); expected > 0) {
    const double slower = std::clamp(seconds / expected, 1 / kMostSlower, kMostSlower);
    factor_ *= 1 + kFactorWeight * (slower - 1);
    factor_ = std::clamp(factor_, 1 / kMostFactor, kMostFactor);
  }
  Cell& cell = CellOf(shape);
  cell.steps = std::min(cell.steps + 1, kMostSteps);
  const double weight = 1 / cell.steps;
  const Terms now{1, static_cast<double>(shape.rows), static_cast<double>(shape.positions)};
  for (size_t i = 0; i < kTerms; ++i) cell.shape[i] += weight * (now[i] - cell.shape[i]);
  cell.seconds += weight * (seconds - cell.seconds);
  Fit();
}

// Least squares of relative errors: a decode counts as much as a step a hundred times as long.
void StepCost::Fit() {
  Matrix a{};
  Terms b{};
  for (const auto& row : cells_) {
    for (const Cell& cell : row) {
      if (cell.steps == 0) continue;
      for (size_t i = 0; i < kTerms; ++i) {
        const double x = cell.shape[i] / cell.seconds;
        for (size_t j = 0; j < kTerms; ++j) a[i][j] += x * cell.shape[j] / cell.seconds;
        b[i] += x;
      }
    }
  }
  a[0][0] *= 1 + kRidge;
  a[2][2] *= 1 + kRidge;
  std::array<bool, 3> used{true, true, a[2][2] > 0};
  Terms x = Solve(a, b, used);
  for (const size_t i : {2, 0}) {  // no term makes a step shorter
    if (x[i] >= 0) continue;
    used[i] = false;
    x = Solve(a, b, used);
  }
  if (x[1] <= 0) return;  // longer steps took less time: what was known before is better
  step_ = std::max(x[0], 0.0);
  row_ = x[1];
  position_ = std::max(x[2], 0.0);
}

double StepCost::Seconds(const StepShape& shape) const {
  if (shape.rows == 0) return 0;
  return factor_ * (step_ + row_ * shape.rows + position_ * static_cast<double>(shape.positions));
}

}  // namespace quire
