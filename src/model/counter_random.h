// model/counter_random.h -- random numbers that are a function of what they are for.
//
// No state: draw n of choice c under seed s is the same number whenever it is asked for, so a
// request that was preempted, resumed or batched differently draws the same tokens.
//
// Philox 4x32-10 (Salmon et al., 2011): key = seed, counter = (position, choice).
#pragma once

#include <cstdint>

namespace quire {

struct DrawKey {
  uint64_t seed;
  uint32_t choice;
  uint32_t position;
};

uint64_t RandomBits(const DrawKey& key);

// Uniform in [0, 1), 53 bits.
inline double RandomUnit(const DrawKey& key) {
  return static_cast<double>(RandomBits(key) >> 11) * 0x1.0p-53;
}

}  // namespace quire
