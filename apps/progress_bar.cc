#include "apps/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "base/size.h"

namespace quire {

ProgressBar::ProgressBar(std::string label)
    : label_(std::move(label)), terminal_(isatty(STDERR_FILENO) != 0) {}

void ProgressBar::Update(uint64_t done_bytes, uint64_t total_bytes) {
  if (total_bytes == 0) return;
  UpdateShare(static_cast<double>(done_bytes) / static_cast<double>(total_bytes),
              fmt::format("{} of {}", FormatSize(done_bytes), FormatSize(total_bytes)));
}

void ProgressBar::UpdateShare(double share, const std::string& detail) {
  using namespace std::chrono_literals;
  const auto now = std::chrono::steady_clock::now();
  if (!terminal_ || (drawn_ && now - last_ < 50ms)) return;
  constexpr int kWidth = 32;
  const int filled = static_cast<int>(share * kWidth);
  std::string bar;
  for (int i = 0; i < kWidth; ++i) bar += i < filled ? "█" : "░";
  fmt::print(stderr, "\r{} {} {:3.0f} %  {}\x1b[K", label_, bar, share * 100, detail);
  std::fflush(stderr);
  drawn_ = true;
  last_ = now;
}

void ProgressBar::Finish() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace quire
