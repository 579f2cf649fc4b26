#include "apps/top/view/amounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/size.h"

namespace quire {
namespace {

constexpr double kMsPerSecond = 1000;
constexpr uint64_t kMinute = 60;
constexpr uint64_t kHour = 60 * kMinute;
constexpr uint64_t kDay = 24 * kHour;

}  // namespace

std::string BytesText(uint64_t bytes) { return bytes == 0 ? "0" : FormatSize(bytes); }

std::string CountText(double count) {
  constexpr double kThousand = 1e3;
  constexpr double kMillion = 1e6;
  constexpr double kWhole = 1e4;  // up to here all digits are shown
  if (count < kWhole) return fmt::format("{:.0f}", count);
  if (count < kMillion) return fmt::format("{:.1f}k", count / kThousand);
  return fmt::format("{:.1f}M", count / kMillion);
}

std::string SecondsText(double seconds) {
  if (!(seconds > 0)) return "0.0s";
  if (seconds < kMinute) return fmt::format("{:.1f}s", std::floor(seconds * 10) / 10);
  const auto whole = static_cast<uint64_t>(std::min(seconds, 1e12));
  if (whole < kHour) return fmt::format("{}m{:02}s", whole / kMinute, whole % kMinute);
  if (whole < kDay) return fmt::format("{}h{:02}m", whole / kHour, whole % kHour / kMinute);
  return fmt::format("{}d{}h", whole / kDay, whole % kDay / kHour);
}

std::string TimeText(std::optional<double> seconds) {
  if (!seconds) return "-";
  if (*seconds < 1) return fmt::format("{:.1f} ms", *seconds * kMsPerSecond);
  return fmt::format("{:.2f} s", *seconds);
}

std::string ShareText(std::optional<double> share) {
  constexpr double kPercent = 100;
  return share ? fmt::format("{:.0f} %", std::floor(*share * kPercent)) : "-";
}

std::string RateText(std::optional<double> per_second) {
  return per_second ? CountText(*per_second) + "/s" : "-";
}

}  // namespace quire
