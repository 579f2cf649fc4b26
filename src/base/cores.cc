#include "base/cores.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <utility>

namespace quire {
namespace {

constexpr uint32_t kMostCores = 1u << 16;  // the kernel refuses a mask shorter than its own

struct FreeSet {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};

std::vector<uint32_t> AffinityMask() {
  std::vector<uint32_t> cores;
  const std::unique_ptr<cpu_set_t, FreeSet> set(CPU_ALLOC(kMostCores));
  const size_t bytes = CPU_ALLOC_SIZE(kMostCores);
  CPU_ZERO_S(bytes, set.get());
  if (sched_getaffinity(0, bytes, set.get()) != 0) return cores;
  for (uint32_t core = 0; core < kMostCores; ++core) {
    if (CPU_ISSET_S(core, bytes, set.get())) cores.push_back(core);
  }
  return cores;
}

std::string FirstLine(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

// Package and core of a core; its own number where the system does not say.
std::string PhysicalCore(uint32_t core) {
  const std::string folder = fmt::format("/sys/devices/system/cpu/cpu{}/topology/", core);
  const std::string id = FirstLine(folder + "core_id");
  if (id.empty()) return fmt::format("cpu{}", core);
  return FirstLine(folder + "physical_package_id") + "/" + id;
}

}  // namespace

std::vector<uint32_t> SpreadOverCores(std::span<const uint32_t> cores,
                                      std::span<const std::string> physical) {
  std::map<std::string, uint32_t> taken;
  std::vector<std::pair<uint32_t, uint32_t>> order;  // (how many of its physical core before, core)
  for (size_t i = 0; i < cores.size(); ++i) order.emplace_back(taken[physical[i]]++, cores[i]);
  std::ranges::sort(order);
  std::vector<uint32_t> spread;
  for (const auto& [round, core] : order) spread.push_back(core);
  return spread;
}

std::vector<uint32_t> AllowedCores() {
  const std::vector<uint32_t> cores = AffinityMask();
  std::vector<std::string> physical;
  for (const uint32_t core : cores) physical.push_back(PhysicalCore(core));
  return SpreadOverCores(cores, physical);
}

bool PinThread(uint32_t core) {
  if (core >= kMostCores) return false;
  const std::unique_ptr<cpu_set_t, FreeSet> set(CPU_ALLOC(kMostCores));
  const size_t bytes = CPU_ALLOC_SIZE(kMostCores);
  CPU_ZERO_S(bytes, set.get());
  CPU_SET_S(core, bytes, set.get());
  return sched_setaffinity(0, bytes, set.get()) == 0;
}

}  // namespace quire
