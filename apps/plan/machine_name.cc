#include "apps/plan/machine_name.h"

#include <fmt/format.h>

#include <string>

#include "apps/bench/machine_facts.h"
#include "kernels/dispatch.h"
#include "kernels/numerics.h"

#ifndef QUIRE_VERSION
#define QUIRE_VERSION "dev"
#endif

namespace quire {

MachineName ThisMachine(uint32_t threads) {
  return {.cpu = CpuName(),
          .isa = std::string(IsaName(CurrentIsa())),
          .threads = threads,
          .build = fmt::format("{}/{}", QUIRE_VERSION, kNumericsVersion)};
}

}  // namespace quire
