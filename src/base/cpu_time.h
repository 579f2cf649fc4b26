// base/cpu_time.h -- what a thread has taken of its core, whatever else ran there meanwhile.
#pragma once

#include <ctime>

namespace quire {

// Seconds, user and system, of the calling thread.
inline double ThreadCpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace quire
