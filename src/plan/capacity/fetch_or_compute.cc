#include "plan/capacity/fetch_or_compute.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/size.h"

namespace quire {
namespace {

// From asking to the first byte.
constexpr double kDiskLatency = 0.0002;
constexpr double kNetworkLatency = 0.001;

// Finding a block in RAM: hashing its tokens and looking it up.
constexpr double kLookUpSeconds = 1e-6;

// Whether `tokens` of a text, which go on with one more that has to be computed in any case, are
// there sooner when they are fetched.
bool IsWorthFetching(uint32_t tokens, double token_bytes, const BreakEven& place,
                     const StepForecast& times) {
  const double fetched = place.latency + tokens * token_bytes / place.bytes_per_second +
                         times.PrefillOf(tokens + 1, tokens).seconds;
  return fetched < times.PrefillOf(tokens + 1).seconds;
}

// The least number of whole blocks; what is worth it stays so for longer texts, which cost more
// each token.
void FindTokens(const ModelShape& shape, double token_bytes, const StepForecast& times,
                BreakEven& place) {
  uint32_t high = std::max(shape.config.context_length / kBlockTokens, 2u) - 1;
  if (!IsWorthFetching(high * kBlockTokens, token_bytes, place, times)) return;
  uint32_t low = 1;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (IsWorthFetching(middle * kBlockTokens, token_bytes, place, times)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  place.tokens = low * kBlockTokens;
}

}  // namespace

std::vector<BreakEven> BreakEvens(const ModelShape& shape, const CapacityPlan& plan,
                                  const PeakRates& peaks, std::span<const double> network_gbits,
                                  const StepForecast& times) {
  const double token_bytes = static_cast<double>(plan.memory.block_bytes) / kBlockTokens;
  std::vector<BreakEven> places;
  // Bytes in RAM stay where they are: what is left is finding them.
  places.push_back({.place = "RAM",
                    .bytes_per_second = token_bytes * kBlockTokens / kLookUpSeconds,
                    .latency = 0});
  if (peaks.disk_read_bytes > 0) {
    places.push_back(
        {.place = "disk", .bytes_per_second = peaks.disk_read_bytes, .latency = kDiskLatency});
  }
  for (const double gbits : network_gbits) {
    places.push_back({.place = fmt::format("network {:g} Gbit/s", gbits),
                      .bytes_per_second = gbits * 1e9 / 8,
                      .latency = kNetworkLatency});
  }
  for (BreakEven& place : places) {
    FindTokens(shape, token_bytes, times, place);
    const uint32_t tokens = place.tokens > 0 ? place.tokens : shape.config.context_length;
    const double fetch = place.latency + tokens * token_bytes / place.bytes_per_second;
    const double computed = times.PrefillOf(tokens).seconds;
    place.arithmetic = fmt::format(
        "{} tokens x {:.0f} bytes at {:.3g} GB/s + {:.3g} ms = {:.3g} ms, computed in {:.3g} ms",
        tokens, token_bytes, place.bytes_per_second / 1e9, place.latency * 1e3, fetch * 1e3,
        computed * 1e3);
  }
  places.front().arithmetic = "the bytes stay where they are; a block is found in a microsecond";
  return places;
}

}  // namespace quire
