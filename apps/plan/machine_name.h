// apps/plan/machine_name.h -- what the machine is called that plans are made for.
#pragma once

#include <cstdint>

#include "plan/capacity/machine_profile.h"

namespace quire {

// This one, with so many worker threads.
MachineName ThisMachine(uint32_t threads);

}  // namespace quire
