#include "base/machine.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace quire {
namespace {

// Reads "Key:   123 kB" of /proc/meminfo, in bytes; 0 if it is not there.
uint64_t MemInfo(const std::string& key) {
  std::ifstream in("/proc/meminfo");
  std::string name;
  uint64_t kib = 0;
  std::string rest;
  while (in >> name >> kib && std::getline(in, rest)) {
    if (name == key + ":") return kib * 1024;
  }
  return 0;
}

constexpr std::string_view kCgroups = "/sys/fs/cgroup";

std::string TextOf(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> OwnCgroups() { return CgroupFolders(TextOf("/proc/self/cgroup")); }

// The number in a file; `fallback` for "max" or where there is none.
uint64_t NumberIn(const std::string& path, uint64_t fallback) {
  std::ifstream in(path);
  uint64_t value = 0;
  return in >> value ? value : fallback;
}

uint64_t LeastMemoryLimit() {
  // Version 1 of the interface knows a limit of its own.
  uint64_t limit = NumberIn(std::string(kCgroups) + "/memory/memory.limit_in_bytes", UINT64_MAX);
  for (const std::string& folder : OwnCgroups()) {
    limit = std::min(limit, NumberIn(folder + "/memory.max", UINT64_MAX));
  }
  return limit;
}

}  // namespace

uint32_t UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  uint32_t cores = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    cores = static_cast<uint32_t>(std::max(1, CPU_COUNT(&set)));
  }
  for (const std::string& folder : OwnCgroups()) {
    std::ifstream in(folder + "/cpu.max");
    double quota_us = 0;
    double period_us = 0;
    if (!(in >> quota_us >> period_us) || quota_us <= 0 || period_us <= 0) continue;
    const double allowed = std::ceil(quota_us / period_us);
    if (allowed < cores) cores = static_cast<uint32_t>(std::max(1.0, allowed));
  }
  return cores;
}

uint64_t TotalMemory() { return std::min(MemInfo("MemTotal"), LeastMemoryLimit()); }

uint64_t AvailableMemory() {
  uint64_t available = std::min(MemInfo("MemAvailable"), LeastMemoryLimit());
  for (const std::string& folder : OwnCgroups()) {
    const uint64_t limit = NumberIn(folder + "/memory.max", UINT64_MAX);
    if (limit == UINT64_MAX) continue;
    const uint64_t current = NumberIn(folder + "/memory.current", 0);
    // Pages of files that were not used of late go before anything is refused.
    const uint64_t used =
        current - std::min(current, InactiveFileBytes(TextOf(folder + "/memory.stat")));
    available = std::min(available, limit - std::min(limit, used));
  }
  return available;
}

uint64_t InactiveFileBytes(std::string_view stat) {
  std::istringstream in{std::string(stat)};
  std::string name;
  for (uint64_t value = 0; in >> name >> value;) {
    if (name == "inactive_file") return value;
  }
  return 0;
}

std::vector<std::string> CgroupFolders(std::string_view text) {
  constexpr std::string_view kVersion2 = "0::/";
  std::string_view path;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(kVersion2)) path = line.substr(kVersion2.size() - 1);
    at = end + 1;
  }
  std::vector<std::string> folders;
  for (; path.size() > 1; path = path.substr(0, path.rfind('/'))) {
    folders.push_back(std::string(kCgroups) + std::string(path));
  }
  folders.emplace_back(kCgroups);
  return folders;
}

}  // namespace quire
