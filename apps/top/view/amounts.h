// apps/top/view/amounts.h -- numbers in as few characters as tell enough at a glance.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace quire {

std::string BytesText(uint64_t bytes);                // "0", "512 B", "1.5 GiB"
std::string CountText(double count);                  // "812", "15.3k", "2.1M"
std::string SecondsText(double seconds);              // "0.4s", "12.3s", "3m05s", "2h10m", "3d4h"
std::string TimeText(std::optional<double> seconds);  // "12.3 ms", "1.20 s"; "-"
std::string ShareText(std::optional<double> share);   // "83 %"; "-"
std::string RateText(std::optional<double> per_second);  // "812/s"; "-"

}  // namespace quire
