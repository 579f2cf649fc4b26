// engine/step_cost.h -- how long a step will take, learned from those that were run.
//
//   seconds = step + row * rows + position * positions
//
// A step reads the weights once (`step`), computes every row (`row`), and every row attends to the
// positions before it (`position`). At 30,000 positions a row may cost six times what it does at
// the beginning of a text, so rows alone say little.
//
// The three are fitted to means of what was measured, kept by the steps' shape in powers of two:
// an hour of small steps does not make it forget the large ones. A factor follows the machine of
// the moment, which other programs share.
//
// Threads  none. Errors  none. Cost  Note: some microseconds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace quire {

struct StepShape {
  uint32_t rows = 0;
  uint64_t positions = 0;  // that its rows attend to, summed over them
};

class StepCost {
 public:
  void Note(const StepShape& shape, double seconds);

  bool measured() const { return row_ > 0; }
  // All 0 until something was measured.
  double Seconds(const StepShape& shape) const;
  double step_seconds() const { return factor_ * step_; }
  double row_seconds() const { return factor_ * row_; }
  double position_seconds() const { return factor_ * position_; }

 private:
  static constexpr size_t kTerms = 3;
  using Terms = std::array<double, kTerms>;
  struct Cell {
    double steps = 0;  // 0: none of this shape
    Terms shape{};     // means
    double seconds = 0;
  };
  Cell& CellOf(const StepShape& shape);
  void Fit();

  static constexpr size_t kRowClasses = 16;
  static constexpr size_t kPositionClasses = 24;  // by positions of a row
  std::array<std::array<Cell, kPositionClasses>, kRowClasses> cells_{};
  double factor_ = 1;
  double step_ = 0;
  double row_ = 0;
  double position_ = 0;
};

}  // namespace quire
