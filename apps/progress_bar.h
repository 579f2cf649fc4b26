// apps/progress_bar.h -- one line on stderr that shows how far a long piece of work is.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace quire {

// Draws only when stderr is a terminal, at most 20 times a second; Finish() clears the line.
// Threads  one.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label);
  ~ProgressBar() { Finish(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Update(uint64_t done_bytes, uint64_t total_bytes);
  // `share` is of 1; `detail` stands behind the percentage.
  void UpdateShare(double share, const std::string& detail);
  void Finish();

 private:
  std::string label_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace quire
