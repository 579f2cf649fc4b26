// base/machine.h -- what this machine offers: cores and memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quire {

// Cores this process may use: its affinity mask, cut to the cgroup's quota rounded up. At least 1.
uint32_t UsableCores();

// Bytes of RAM that could be taken without swapping: MemAvailable, cut to what the cgroup leaves,
// for which it gives up pages of files that were not used of late.
// 0 if the system does not say.
uint64_t AvailableMemory();

// What memory.stat of a cgroup says of pages of files that were not used of late; 0 if it does not.
uint64_t InactiveFileBytes(std::string_view stat);

// Bytes of RAM of the machine or of the cgroup, whichever is less. 0 if the system does not say.
uint64_t TotalMemory();

// The folders under /sys/fs/cgroup whose limits bind a process, from its own group up to the root:
// `text` is what /proc/self/cgroup says of it. At least the root, which is our own group where the
// system shows us no more than that.
std::vector<std::string> CgroupFolders(std::string_view text);

}  // namespace quire
