#include "base/machine.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
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

// One number of a cgroup v2 file of our own group; `fallback` for "max" or where there is none.
uint64_t CgroupNumber(const char* file, uint64_t fallback) {
  std::ifstream in(std::string("/sys/fs/cgroup/") + file);
  uint64_t value = 0;
  return in >> value ? value : fallback;
}

}  // namespace

uint32_t UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  uint32_t cores = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    cores = static_cast<uint32_t>(std::max(1, CPU_COUNT(&set)));
  }
  std::ifstream in("/sys/fs/cgroup/cpu.max");
  double quota_us = 0;
  double period_us = 0;
  if (in >> quota_us >> period_us && quota_us > 0 && period_us > 0) {
    const double allowed = std::ceil(quota_us / period_us);
    if (allowed < cores) cores = static_cast<uint32_t>(std::max(1.0, allowed));
  }
  return cores;
}

uint64_t TotalMemory() {
  return std::min(MemInfo("MemTotal"), CgroupNumber("memory.max", UINT64_MAX));
}

uint64_t AvailableMemory() {
  const uint64_t limit = CgroupNumber("memory.max", UINT64_MAX);
  const uint64_t used = CgroupNumber("memory.current", 0);
  const uint64_t left = limit == UINT64_MAX ? limit : limit - std::min(limit, used);
  return std::min(MemInfo("MemAvailable"), left);
}

}  // namespace quire
