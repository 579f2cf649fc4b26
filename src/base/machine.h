// base/machine.h -- what this machine offers: cores and memory.
#pragma once

#include <cstdint>

namespace quire {

// Cores this process may use: its affinity mask, cut to the cgroup's quota rounded up. At least 1.
uint32_t UsableCores();

// Bytes of RAM that could be taken without swapping: MemAvailable, cut to what the cgroup leaves.
// 0 if the system does not say.
uint64_t AvailableMemory();

// Bytes of RAM of the machine or of the cgroup, whichever is less.
uint64_t TotalMemory();

}  // namespace quire
