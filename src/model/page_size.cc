#include "model/page_size.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <fstream>
#include <string>

namespace quire {
namespace {

// The number in "Name:   1234 kB", or 0.
uint64_t KibibytesIn(const std::string& line) {
  const size_t digits = line.find_first_of("0123456789", line.find(':'));
  uint64_t value = 0;
  if (digits != line.npos) {
    std::from_chars(line.data() + digits, line.data() + line.size(), value);
  }
  return value;
}

}  // namespace

double HugeShare(std::span<const std::byte> bytes) {
  const std::string start = fmt::format("{:x}-", reinterpret_cast<uintptr_t>(bytes.data()));
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  while (std::getline(maps, line) && !line.starts_with(start)) {
  }
  while (std::getline(maps, line)) {
    if (!line.starts_with("FilePmdMapped:")) continue;
    return static_cast<double>(KibibytesIn(line)) * 1024 / static_cast<double>(bytes.size());
  }
  return 1;
}

bool HugePagesOffered() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string setting;
  std::getline(file, setting);
  return setting.find("[madvise]") != setting.npos || setting.find("[always]") != setting.npos;
}

}  // namespace quire
