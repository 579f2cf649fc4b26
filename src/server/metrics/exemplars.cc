#include "server/metrics/exemplars.h"

#include <algorithm>
#include <cmath>

namespace quire {
namespace {

constexpr double kSecondsPerMs = 1e-3;
// OpenMetrics gives an exemplar's labels, with their names, 128 characters.
constexpr size_t kMostIdBytes = 128 - std::string_view("request_id").size();

size_t SlotOf(double value, size_t slots) {
  const int power = value > 0 ? std::ilogb(value) + static_cast<int>(slots) / 2 : 0;
  return static_cast<size_t>(std::clamp(power, 0, static_cast<int>(slots) - 1));
}

}  // namespace

void Exemplars::Note(const Receipt& receipt, uint64_t block_bytes, std::string_view request_id,
                     double now) {
  if (request_id.size() > kMostIdBytes) return;
  const bool answered = receipt.generated_tokens > 0;
  const std::array<std::optional<double>, kFamilies.size()> values = {
      receipt.queue_ms * kSecondsPerMs,
      answered ? std::optional(receipt.ttft_ms * kSecondsPerMs) : std::nullopt,
      receipt.decode_ms_per_token > 0 ? std::optional(receipt.decode_ms_per_token * kSecondsPerMs)
                                      : std::nullopt,
      static_cast<double>(receipt.peak_blocks) * static_cast<double>(block_bytes)};
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < kFamilies.size(); ++i) {
    if (!values[i]) continue;
    slots_[i][SlotOf(*values[i], kSlots)] = {std::string(request_id), *values[i], now};
  }
}

std::optional<Exemplar> Exemplars::Find(std::string_view family, double above, double up_to) const {
  const auto known = std::ranges::find(kFamilies, family);
  if (known == kFamilies.end()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const Exemplar* found = nullptr;
  for (const Exemplar& one : slots_[static_cast<size_t>(known - kFamilies.begin())]) {
    if (one.request_id.empty() || one.value <= above || one.value > up_to) continue;
    if (found == nullptr || one.at_seconds > found->at_seconds) found = &one;
  }
  return found == nullptr ? std::nullopt : std::optional(*found);
}

}  // namespace quire
