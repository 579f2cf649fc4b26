// cache/eviction/random_draw.h -- numbers as good as random that are a function of a count.
//
// The same count gives the same number everywhere, so a policy that samples is deterministic.
#pragma once

#include <cstdint>

namespace quire {

// SplitMix64's.
inline uint64_t MixBits(uint64_t count) {
  uint64_t x = count * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// In [0, limit), for the count-th draw.
inline uint32_t DrawBelow(uint64_t count, uint32_t limit) {
  return static_cast<uint32_t>(((MixBits(count) >> 32) * limit) >> 32);
}

}  // namespace quire
