// base/cores.h -- which cores a thread may use, and keeping it on one of them.
//
// A thread that stays on its core keeps its caches, and two workers never share one. In return the
// system cannot move it out of the way of others, so pinning is for machines that serve alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace quire {

// The cores in the affinity mask of the calling thread, in the order in which workers should take
// them: one of each physical core first, then their hyperthreads; each round ascending.
std::vector<uint32_t> AllowedCores();

// The order above: `physical[i]` tells apart the physical cores of `cores[i]`, which ascend.
std::vector<uint32_t> SpreadOverCores(std::span<const uint32_t> cores,
                                      std::span<const std::string> physical);

// Lets the calling thread run on `core` alone. False if the system refuses: then it runs where it
// did, slower perhaps, not wrong. Threads that it starts later inherit the pin.
bool PinThread(uint32_t core);

}  // namespace quire
