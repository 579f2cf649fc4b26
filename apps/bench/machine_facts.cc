#include "apps/bench/machine_facts.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>

#include "base/size.h"

namespace quire {
namespace {

// What follows `key` and a colon in the first such line of a file of /proc.
std::string Field(const char* path, const std::string& key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const size_t colon = line.find(':');
    if (!line.starts_with(key) || colon == std::string::npos) continue;
    if (line.find_first_not_of(" \t", key.size()) != colon) continue;  // "model" of "model name"
    const size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return {};
}

// All work of all cores since the machine started, less our own: user, nice, system, interrupts,
// steal; guests are counted in user.
double OthersSeconds() {
  std::ifstream file("/proc/stat");
  std::string name;
  std::array<double, 8> ticks{};  // user nice system idle iowait irq softirq steal
  file >> name;
  for (double& one : ticks) file >> one;
  if (!file || name != "cpu") return 0;
  double busy = 0;
  for (const size_t i : {0, 1, 2, 5, 6, 7}) busy += ticks[i];
  timespec own;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
  return busy / static_cast<double>(sysconf(_SC_CLK_TCK)) - static_cast<double>(own.tv_sec) -
         1e-9 * static_cast<double>(own.tv_nsec);
}

}  // namespace

OtherWork::OtherWork() : before_(OthersSeconds()) {}

double OtherWork::Seconds() const { return std::max(0.0, OthersSeconds() - before_); }

std::string CpuName() {
  const char* kFile = "/proc/cpuinfo";
  const std::string name = Field(kFile, "model name");
  if (name.empty()) return {};
  return fmt::format("{} (family {}, model {})", name, Field(kFile, "cpu family"),
                     Field(kFile, "model"));
}

std::string SystemName() {
  utsname names;
  if (uname(&names) != 0) return {};
  return fmt::format("{} {}", names.sysname, names.release);
}

uint64_t PeakResidentBytes() {
  const std::string text = Field("/proc/self/status", "VmHWM");  // "123456 kB", of 1024 bytes
  return text.empty() ? 0 : std::strtoull(text.c_str(), nullptr, 10) * kKiB;
}

}  // namespace quire
