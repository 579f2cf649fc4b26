#include "kernels/dispatch.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/check.h"

namespace quire {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"portable", "avx2", "avxvnni", "avx512"};

std::vector<Isa> Detect() {
  std::vector<Isa> isas = {Isa::kPortable};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("f16c")) {
    isas.push_back(Isa::kAvx2);
    if (__builtin_cpu_supports("avxvnni")) isas.push_back(Isa::kAvxVnni);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vnni")) {
      isas.push_back(Isa::kAvx512);
    }
  }
#endif
  return isas;
}

// QUIRE_ISA, or else the fastest set.
Result<Isa> WantedIsa() {
  const char* wanted = std::getenv("QUIRE_ISA");
  if (wanted == nullptr || *wanted == '\0') return AvailableIsas().back();
  std::string available;
  for (const Isa isa : AvailableIsas()) {
    if (IsaName(isa) == wanted) return isa;
    available += available.empty() ? "" : ", ";
    available += IsaName(isa);
  }
  return Refuse(
      ErrorCode::kInvalidArgument,
      "QUIRE_ISA=" + std::string(wanted) + " is not available here; choose from " + available,
      "QUIRE_ISA");
}

std::atomic<Isa>& Chosen() {
  static std::atomic<Isa> chosen = [] {
    const Result<Isa> wanted = WantedIsa();
    QUIRE_CHECK(wanted.has_value(), "QUIRE_ISA names a set that this machine does not have");
    return *wanted;
  }();
  return chosen;
}

}  // namespace

std::string_view IsaName(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

std::span<const Isa> AvailableIsas() {
  static const std::vector<Isa> isas = Detect();
  return isas;
}

Isa CurrentIsa() { return Chosen().load(std::memory_order_relaxed); }

Status SelectIsaFromEnvironment() {
  QUIRE_TRY(const Isa isa, WantedIsa());
  SelectIsa(isa);
  return {};
}

void SelectIsa(Isa isa) { Chosen().store(isa, std::memory_order_relaxed); }

}  // namespace quire
