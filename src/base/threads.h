// base/threads.h -- whether the system lets this process have as many threads as it will want.
//
// A limit on processes (ulimit -u, a container's pids.max) counts threads too. Found out at the
// start it is a sentence; found out in the middle of one it is a crash.
//
// Threads  any. Cost  some 30 us for each.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace quire {

// Starts `count` threads at once and ends them. kIo, with what to do, if they cannot be started.
Status CheckThreads(uint32_t count);

}  // namespace quire
